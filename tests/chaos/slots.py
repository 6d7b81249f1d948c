"""Chaos for the semaphore: holders killed, connections cut, and nothing may go wrong.

Real processes on a real redis-server: 200 holders over 6 agents, a tenth of them SIGKILLed at
random moments and replaced, every pub/sub connection cut several times a second. At the end:
0 over-admissions, 0 slots kept by the dead beyond TTL + heartbeat, 0 stuck waiters, arrival order
kept within each agent. The parent's clock alone decides: it begins when every process has begun to
work, and its end is told to them, so a machine that is busy makes the run longer but no different.
`python -m tests.chaos` is the long run, of `make chaos`.
"""

import asyncio
import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from callfleet.slots import Slots
from simulators.child import die_with_parent
from tests.chaos.slots_holders import ORG, TIMES, limits
from tests.chaos.slots_story import Story, told_by
from tests.redis_server import RedisServer

ROOT = Path(__file__).parents[2]
RETURN_S = TIMES["lease_ttl_s"] + TIMES["heartbeat_s"]
SLACK_S = 2.0  # of a busy machine, not of the semaphore
BEGIN_LIMIT_S, END_LIMIT_S = 120.0, 180.0
CUT_EVERY_S = 0.4


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything."""

    seconds: float
    processes: int
    holders_each: int
    kills: int  # of processes, spread over the run
    sessions: int
    seed: int

    def __post_init__(self) -> None:
        assert self.kills < self.processes, "one of the first must be left to be killed"


class Fleet:
    """The processes of one run."""

    def __init__(self, plan: Plan, server: RedisServer) -> None:
        self._plan = plan
        self._server = server
        self._directory = server.directory
        self._dice = random.Random(plan.seed)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.killed_ns: dict[str, int] = {}
        for _ in range(plan.processes):
            self.add()

    @property
    def files(self) -> list[Path]:
        return list(self._directory.glob("*.lines"))

    def add(self) -> None:
        name = f"p{len(self._running) + len(self.killed_ns)}"
        words = {
            "url": self._server.url,
            "name": name,
            "out": self._directory / f"{name}.lines",
            "holders": self._plan.holders_each,
            "sessions": self._plan.sessions,
            "seed": self._dice.randrange(2**32),
        }
        options = [part for word, value in words.items() for part in (f"--{word}", str(value))]
        command = [sys.executable, "-m", "tests.chaos.slots_holders", *options]
        self._running[name] = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, preexec_fn=die_with_parent
        )

    def begun(self) -> bool:
        """All of the first processes have something to tell."""
        told = [path for path in self.files if path.stat().st_size]
        return len(told) >= self._plan.processes

    def kill_one(self) -> None:
        """One that has begun to work, and another in its place."""
        told = {path.stem for path in self.files if path.stat().st_size}
        name = self._dice.choice(sorted(told & self._running.keys()))
        process = self._running.pop(name)
        process.kill()
        process.communicate()
        self.killed_ns[name] = time.monotonic_ns()
        self.add()

    def still_running(self) -> bool:
        codes = [process.poll() for process in self._running.values()]
        if any(codes):
            raise RuntimeError("a holder process failed: see its traceback above")
        return None in codes

    def no_more_calls(self) -> None:
        """Each finishes the calls it has, and leaves."""
        for process in self._running.values():
            assert process.stdin is not None
            process.stdin.close()

    def stop(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()


async def run(plan: Plan) -> Story:
    """Everything as planned; the verdict is the caller's."""
    with RedisServer() as server:
        fleet = Fleet(plan, server)
        redis = Redis.from_url(server.url, socket_timeout=10)
        watch = _Watch(redis, fleet)
        try:
            await watch.until(fleet.begun, BEGIN_LIMIT_S)
            begun = time.monotonic()
            for number in range(plan.kills):
                await watch.until_time(begun + plan.seconds * (number + 1) / (plan.kills + 1))
                fleet.kill_one()
            await watch.until_time(begun + plan.seconds)
            fleet.no_more_calls()
            await watch.until(lambda: not fleet.still_running(), END_LIMIT_S)
            await watch.until_all_returned()
        finally:
            fleet.stop()
            await redis.aclose()
        story = told_by(fleet.files, fleet.killed_ns, limits(plan.sessions))
    story.killed_holders = len(fleet.killed_ns) * plan.holders_each
    story.pubsub_kills, story.leaked = watch.cut, watch.leaked
    story.slowest_return_s = round(watch.slowest_s, 2)
    return story


class _Watch:
    """Cuts the pub/sub connections, and times how long the dead keep their slots."""

    def __init__(self, redis: "Redis", fleet: Fleet) -> None:
        self._redis = redis
        self._slots = Slots(redis, **TIMES)
        self._fleet = fleet
        self.cut = 0
        self.leaked: list[str] = []
        self.slowest_s = 0.0

    async def look(self) -> int:
        """Answers how many leases there are."""
        with contextlib.suppress(ResponseError):  # nobody listened just then
            self.cut += await self._redis.client_kill_filter(_type="pubsub")
        # As any process of a fleet would: when all others are dead, who touches the semaphore?
        await self._slots.heartbeat(ORG, "observer")
        usage = await self._slots.usage(ORG)
        now_ns = time.monotonic_ns()
        for holder in usage.holders:
            killed_ns = self._fleet.killed_ns.get(holder.split(".")[0])
            if killed_ns is None:
                continue
            dead_s = (now_ns - killed_ns) / 1e9
            self.slowest_s = max(self.slowest_s, dead_s)
            if dead_s > RETURN_S + SLACK_S and holder not in self.leaked:
                self.leaked.append(holder)
        return usage.live

    async def until(self, seen: Callable[[], bool], limit_s: float) -> None:
        async with asyncio.timeout(limit_s):
            while not seen():
                await self.look()
                await asyncio.sleep(CUT_EVERY_S)

    async def until_time(self, at: float) -> None:
        await self.until(lambda: time.monotonic() >= at, END_LIMIT_S + at - time.monotonic())

    async def until_all_returned(self) -> None:
        deadline = time.monotonic() + RETURN_S + SLACK_S
        while live := await self.look():
            if time.monotonic() > deadline:
                self.leaked.append(f"{live} leases at the end")
                return
            await asyncio.sleep(CUT_EVERY_S)
