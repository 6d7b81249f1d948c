"""How many sessions too many a failover admits, with and without the hold-off.

Real redis-servers and Sentinels. The replica is frozen at 60 of 100 leases, 40 more are granted,
the primary dies, and the replica is promoted with what it knows while new calls keep coming. The
truth is the number of sessions the holders have open: none of their calls ends.
`python -m tests.chaos failover` prints the figures.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

from callfleet.calls import CallId
from callfleet.errors import StoreFault
from callfleet.redis_scripts import Script, lua
from callfleet.service import redis_pool
from callfleet.slots import Lease, OrgLimits, Slots
from callfleet.slots_keeper import SlotKeeper
from tests.sentinels import watched_redis

ORG, LIMIT = "main", 100
REPLICATED, UNREPLICATED = 60, 40
HOLDERS = 10
DEMAND_EVERY_S = 0.04
_HOLD_OFF = "1.5 * s.set.heartbeat\n  local hold"
Demand = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one failover."""

    hold_off: bool
    heartbeat_s: float
    limit: int
    peak: int
    over: int
    reasserted: int
    away_s: float  # from the primary's death to the first answer of the new one


class Hasty(Slots):
    """The same semaphore without its hold-off, to show what that is for."""

    def __init__(self, redis: "Redis", **times: float) -> None:
        super().__init__(redis, **times)
        for name in self._scripts:
            text = lua("slots_state", "slots_rules", f"slots_{name}")
            assert _HOLD_OFF in text
            text = text.replace(_HOLD_OFF, "0\n  local hold")
            self._scripts[name] = Script(redis, text, doing=name)


class Loyal:
    """A holder that never lets go."""

    def lost(self) -> None:
        raise AssertionError("a live call lost its slot to a failover")


async def experiment(*, hold_off: bool, heartbeat_s: float) -> Outcome:
    with watched_redis() as redises:
        redis = redis_pool(redises.url)
        kind = Slots if hold_off else Hasty
        slots = kind(redis, heartbeat_s=heartbeat_s)
        await slots.configure(ORG, OrgLimits(LIMIT))
        count = {"reasserted": 0}

        def beaten(_org: str, outcome: object) -> None:
            count["reasserted"] += getattr(outcome, "reasserted", 0)

        keepers = [SlotKeeper(slots, redis, f"w{n}", [ORG], beaten=beaten) for n in range(HOLDERS)]
        sessions: set[CallId] = set()

        async def demand() -> None:
            """One more call; the session opens if, and only if, it is granted."""
            call = CallId(f"call-{len(sessions)}")
            keeper = keepers[len(sessions) % HOLDERS]
            got = await slots.acquire(ORG, "a", call, holder=keeper.holder)
            if isinstance(got, Lease):
                sessions.add(call)
                keeper.hold(got, Loyal())

        async with asyncio.TaskGroup() as tasks:
            keeping = [tasks.create_task(keeper.run()) for keeper in keepers]
            for _ in range(REPLICATED):
                await demand()
            redises.until_replicated()
            redises.freeze_replication()
            for _ in range(UNREPLICATED):
                await demand()
            assert len(sessions) == LIMIT
            redises.fail_over()
            away_s = await _keep_asking(demand, for_s=3 * heartbeat_s)
            for task in keeping:
                task.cancel()
        await redis.aclose()
        over = max(0, len(sessions) - LIMIT)
        told = count["reasserted"]
        return Outcome(hold_off, heartbeat_s, LIMIT, len(sessions), over, told, round(away_s, 1))


async def _keep_asking(demand: Demand, *, for_s: float) -> float:
    """25 calls a second from the primary's death until long after the new one answers."""
    died = time.monotonic()
    answered = 0.0
    async with asyncio.timeout(60):
        while not answered or time.monotonic() < answered + for_s:
            with contextlib.suppress(StoreFault, RedisError):
                await demand()
                answered = answered or time.monotonic()
            await asyncio.sleep(DEMAND_EVERY_S)
    return answered - died
