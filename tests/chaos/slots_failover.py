"""How many sessions too many a failover admits, with and without the hold-off.

Real redis-servers and Sentinels. The replica is frozen at 60 of 100 leases, 40 more are granted,
the primary dies, and the replica is promoted with what it knows while new calls keep coming. The
truth is the number of sessions the holders have open: none of their calls ends.
`python -m tests.chaos.slots_failover` prints the figures.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import RedisError

from callfleet.calls import CallId
from callfleet.errors import StoreFault
from callfleet.redis_scripts import Script, lua
from callfleet.slots import Lease, OrgLimits, Slots
from callfleet.slots_keeper import SlotKeeper
from tests.redis_server import RedisServer

ORG, LIMIT = "main", 100
REPLICATED, UNREPLICATED = 60, 40
HOLDERS = 10
DEMAND_EVERY_S = 0.04
DOWN_AFTER_MS = 1000
_HOLD_OFF = "1.5 * s.set.heartbeat\n  local hold"
Demand = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one failover."""

    hold_off: bool
    heartbeat_s: float
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


@dataclass(slots=True)
class Cluster:
    """A primary, its replica, and three Sentinels watching."""

    primary: RedisServer
    replica: RedisServer
    redis: "Redis"

    async def freeze_replication(self) -> None:
        """Stopping the replica is not enough: its socket would go on taking what is written."""
        self.replica.freeze()
        client = Redis.from_url(self.primary.url)
        await client.client_kill_filter(_type="slave")
        await client.aclose()

    def fail_over(self) -> None:
        self.primary.kill()
        self.replica.thaw()


@contextlib.asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(RedisServer(options={"repl-diskless-sync-delay": "0"}))
        upstream = f"127.0.0.1 {primary.port}"
        replica = RedisServer()
        stack.callback(replica.close)
        replica.start()
        joining = replica.client()
        joining.replicaof("127.0.0.1", primary.port)
        async with asyncio.timeout(30):
            while True:
                if joining.info("replication")["master_link_status"] == "up":
                    break
                await asyncio.sleep(0.05)
        joining.close()
        options = {
            f"sentinel monitor {ORG}": f"{upstream} 2",
            f"sentinel down-after-milliseconds {ORG}": str(DOWN_AFTER_MS),
            f"sentinel failover-timeout {ORG}": "5000",
        }
        sentinels = [
            stack.enter_context(RedisServer(sentinel=True, options=options)) for _ in range(3)
        ]
        addresses = [("127.0.0.1", sentinel.port) for sentinel in sentinels]
        watch: Any = Sentinel(addresses, socket_timeout=1)  # type: ignore[no-untyped-call] # redis-py's
        redis: Redis = watch.master_for(ORG, socket_timeout=1, socket_connect_timeout=1)
        await _until_sentinels_agree(watch)
        try:
            yield Cluster(primary, replica, redis)
        finally:
            await redis.aclose()
            for client in watch.sentinels:
                await client.aclose()


async def _until_sentinels_agree(watch: Any) -> None:
    """Each knows the replica and the two others."""
    async with asyncio.timeout(30):
        for client in watch.sentinels:
            while True:
                state = await client.sentinel_master(ORG)
                if (state["num-slaves"], state["num-other-sentinels"]) == (1, 2):
                    break
                await asyncio.sleep(0.05)


async def experiment(*, hold_off: bool, heartbeat_s: float) -> Outcome:
    async with cluster() as redises:
        kind = Slots if hold_off else Hasty
        slots = kind(redises.redis, heartbeat_s=heartbeat_s)
        await slots.configure(ORG, OrgLimits(LIMIT))
        count = {"reasserted": 0}

        def beaten(_org: str, outcome: object) -> None:
            count["reasserted"] += getattr(outcome, "reasserted", 0)

        keepers = [
            SlotKeeper(slots, redises.redis, f"w{n}", [ORG], beaten=beaten) for n in range(HOLDERS)
        ]
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
            await redises.redis.wait(1, 2000)
            await redises.freeze_replication()
            for _ in range(UNREPLICATED):
                await demand()
            assert len(sessions) == LIMIT
            redises.fail_over()
            away_s = await _keep_asking(demand, for_s=3 * heartbeat_s)
            for task in keeping:
                task.cancel()
        over = max(0, len(sessions) - LIMIT)
        told = count["reasserted"]
        return Outcome(hold_off, heartbeat_s, len(sessions), over, told, round(away_s, 1))


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heartbeats", type=float, nargs="*", default=[1.0, 3.0])
    code = 0
    for heartbeat_s in parser.parse_args().heartbeats:
        for hold_off in (False, True):
            outcome = asyncio.run(experiment(hold_off=hold_off, heartbeat_s=heartbeat_s))
            print(json.dumps(asdict(outcome)), flush=True)
            code |= hold_off and outcome.over > 0
    return code


if __name__ == "__main__":
    sys.exit(main())
