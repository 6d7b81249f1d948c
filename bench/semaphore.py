"""What the semaphore costs: microseconds of Redis per script, and scripts per second, by size.

Redis' own account (`INFO commandstats`) says what a script costs it; the rate is what one Redis
does when it is asked without a pause, over one connection, a hundred scripts at a time. Both are
medians over the batches, so that a moment in which something else had the core does not count, and
both are taken at 1,000 and at 50,000 live leases: a script that grew with the calls would show.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from redis.asyncio import Redis
from rich.table import Table

from callfleet.calls import CallId
from callfleet.slots import Lease, OrgLimits, Slots
from callfleet.slots_terms import slot_keys
from simulators.redis_server import RedisServer

ORG, AGENTS = "bench", tuple(f"agent-{n}" for n in range(6))
SIZES = (1_000, 50_000)
ROUNDS, BATCH = 5_000, 100
HEARTBEAT_LEASES = 50
_FILL = 500


@dataclass(frozen=True)
class Cost:
    """Of one operation at one size."""

    operation: str
    leases: int
    redis_us: float
    per_second: int

    def as_json(self) -> dict[str, object]:
        return asdict(self)


Words = Sequence[str | int]


class Bench:
    """One Redis with so many leases."""

    def __init__(self, redis: Redis, leases: int) -> None:
        self._redis = redis
        self._slots = Slots(redis)
        self._leases = leases
        self._number = 0

    async def fill(self) -> None:
        await self._slots.configure(ORG, OrgLimits(self._leases + ROUNDS + 1))
        for first in range(0, self._leases, _FILL):
            held = [self._lease(n) for n in range(first, min(first + _FILL, self._leases))]
            await self._slots.heartbeat(ORG, "w0", held)

    def _lease(self, n: int) -> Lease:
        return Lease(ORG, AGENTS[n % len(AGENTS)], CallId(f"01HZX8K2M4{n:016d}"), "w0", n + 1)

    async def costs(self) -> list[Cost]:
        """Each acquired call is released again, so the size stays what it is."""

        def acquire(n: int) -> Words:
            lease = self._lease(self._leases + n)
            return lease.call_id, lease.agent, "w1", 1, 0

        tokens: list[int] = []
        taken = await self._cost("acquire", "acquire", acquire, tokens)
        released = await self._cost(
            "release", "release", lambda n: (self._lease(self._leases + n).call_id, tokens[n])
        )
        await self._slots.set_limit(ORG, self._leases)
        refused = await self._cost("refuse", "acquire", acquire)
        await self._slots.set_limit(ORG, None)
        one = await self._cost("renew one", "heartbeat", lambda n: self._beat(n, 1))
        many = await self._cost(
            f"renew {HEARTBEAT_LEASES}",
            "heartbeat",
            lambda n: self._beat(n, HEARTBEAT_LEASES),
            rounds=ROUNDS // HEARTBEAT_LEASES,
        )
        return [taken, refused, one, many, released]

    def _beat(self, n: int, leases: int) -> Words:
        first = n * leases % max(1, self._leases - leases)
        words: list[str | int] = ["w0", leases]
        for lease in map(self._lease, range(first, first + leases)):
            words += (lease.call_id, lease.agent, lease.token)
        return [*words, 0, 0, "", ""]

    async def _cost(
        self,
        operation: str,
        script: str,
        words: Callable[[int], Words],
        tokens: list[int] | None = None,
        *,
        rounds: int = ROUNDS,
    ) -> Cost:
        # Asked in batches, which the product never does.
        sha = await self._redis.script_load(self._slots._scripts[script]._run.script)
        keys = slot_keys(ORG)
        costs_us, rates = [], []
        for first in range(0, rounds, BATCH):
            pipe = self._redis.pipeline(transaction=False)
            for n in range(first, min(first + BATCH, rounds)):
                asked = map(str, self._slots._words(ORG, words(n)))
                pipe.evalsha(sha, len(keys), *keys, *asked)
            await self._redis.config_resetstat()
            began = time.perf_counter()
            answers: list[Any] = await pipe.execute()
            rates.append(len(answers) / (time.perf_counter() - began))
            stats = (await self._redis.info("commandstats"))["cmdstat_evalsha"]
            costs_us.append(stats["usec"] / stats["calls"])
            if tokens is not None:
                assert answers[0][0] == b"lease", answers[0]
                tokens += [answer[2] for answer in answers]
        cost_us, rate = statistics.median(costs_us), statistics.median(rates)
        return Cost(operation, self._leases, round(cost_us, 1), round(rate))


async def measure(sizes: Sequence[int] = SIZES) -> list[Cost]:
    costs: list[Cost] = []
    for size in sizes:
        with RedisServer() as server:
            async with Redis(unix_socket_path=str(server.socket_path)) as redis:
                bench = Bench(redis, size)
                await bench.fill()
                costs += await bench.costs()
    return costs


def table(costs: list[Cost]) -> Table:
    page = Table(title="Semaphore: one Redis, no pause between scripts")
    page.add_column("operation")
    for heading in ("live leases", "Redis us", "scripts per second"):
        page.add_column(heading, justify="right")
    for cost in costs:
        page.add_row(
            cost.operation, f"{cost.leases:,}", f"{cost.redis_us:.1f}", f"{cost.per_second:,.0f}"
        )
    return page
