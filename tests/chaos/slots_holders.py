"""One process of the chaos run: many holders, each taking slots as fast as it gets them.

Each holder is what a gateway and a worker are together: it waits in the queue, adopts, talks for a
moment, and gives back. What really happened, as only the holder can know, goes line by line into a
file, unbuffered, so that a SIGKILL loses nothing: the parent judges the semaphore by these lines
and not by what Redis says. CLOCK_MONOTONIC is the machine's, so lines of all processes compare.
"""

import argparse
import asyncio
import contextlib
import os
import random
import sys
import time

from redis.asyncio import Redis

from callfleet.calls import CallId
from callfleet.errors import AtCapacity, StoreFault
from callfleet.slots import Beat, Full, Lease, OrgLimits, Slots, Waiting
from callfleet.slots_keeper import SlotKeeper

ORG = "main"
AGENTS = {"a": 1, "b": 2, "c": 3, "d": 3, "e": 3, "f": 3}  # and how often they are called
TIMES = {"lease_ttl_s": 6.0, "heartbeat_s": 1.5, "claim_s": 3.5, "waiter_ttl_s": 3.5}


def limits(sessions: int) -> OrgLimits:
    """Two agents with caps of their own, four that share the rest."""
    caps = {"a": max(1, sessions // 10), "b": max(1, sessions // 5)}
    return OrgLimits(sessions, caps, max_waiting=10_000)


class Seat:
    """The waiter and holder of one call."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[Lease | Full | None] = (
            asyncio.get_running_loop().create_future()
        )
        self.was_lost = False

    def _settle(self, outcome: Lease | Full | None) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def granted(self, lease: Lease) -> None:
        self._settle(lease)

    def moved(self, waiting: Waiting) -> None:
        pass

    def refused(self, full: Full) -> None:
        self._settle(full)

    def lost(self) -> None:
        self.was_lost = True
        self._settle(None)


class Caller:
    """One holder: calls, one after another, until it is told to stop."""

    def __init__(self, redis: "Redis", name: str, out: int, dice: random.Random) -> None:
        self._slots = Slots(redis, **TIMES)
        self._keeper = SlotKeeper(self._slots, redis, name, [ORG], beaten=self._beaten)
        self._name = name
        self._out = out
        self._dice = dice

    def _say(self, *words: object) -> None:
        line = " ".join(map(str, (time.monotonic_ns(), self._name, *words))) + "\n"
        os.write(self._out, line.encode())

    def _beaten(self, _org: str, outcome: Beat | StoreFault) -> None:
        if isinstance(outcome, Beat) and outcome.reasserted:
            self._say("reasserted", outcome.reasserted)

    async def run(self, sessions: int, over: asyncio.Event) -> None:
        await self._slots.configure(ORG, limits(sessions))
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(self._keeper.run())
            number = 0
            while not over.is_set():
                number += 1
                try:
                    await self._call(CallId(f"{self._name}-{number}"))
                except (StoreFault, AtCapacity) as trouble:
                    self._say("trouble", type(trouble).__name__)
                    await asyncio.sleep(0.2)
            keeping.cancel()

    async def _call(self, call: CallId) -> None:
        agent = self._dice.choices(*zip(*AGENTS.items(), strict=True))[0]
        seat = Seat()
        answer = await self._slots.acquire(ORG, agent, call, holder=self._name, wait=True)
        ticket = 0
        if isinstance(answer, Waiting):
            ticket = answer.ticket
            self._say("waits", call, agent, ticket)
            lease = await self._wait(answer, seat)
        else:
            assert isinstance(answer, Lease), answer
            lease = answer
            self._keeper.hold(lease, seat)
        if lease is None:
            self._say("left", call)
            return
        self._say("granted", call, agent, ticket, lease.token)
        try:
            if self._dice.random() < 0.2:
                self._keeper.drop(ORG, call)  # a beat under way still carries the old token
                lease = await self._slots.adopt(ORG, agent, call, holder=self._name)
                self._keeper.hold(lease, seat)
            await asyncio.sleep(self._dice.uniform(0.1, 0.3))
        finally:  # on a machine too slow to answer in time, too
            self._say("lost" if seat.was_lost else "ended", call)
            self._keeper.drop(ORG, call)
        await self._slots.release(lease)

    async def _wait(self, place: Waiting, seat: Seat) -> Lease | None:
        """The lease, or None for a caller who hung up first."""
        self._keeper.wait(place, seat)
        patience_s = 0.05 if self._dice.random() < 0.05 else 120.0
        try:
            async with asyncio.timeout(patience_s):
                outcome = await seat.outcome
        except TimeoutError:
            self._keeper.drop(ORG, place.call_id)
            with contextlib.suppress(StoreFault):  # then its place lapses
                await self._slots.leave(ORG, place.call_id)
            if patience_s > 1:
                self._say("stuck", place.call_id)
            return None
        assert isinstance(outcome, Lease), outcome
        return outcome


async def _told_to_stop(over: asyncio.Event) -> None:
    """The parent closes our standard input."""
    await asyncio.to_thread(sys.stdin.read)
    over.set()


async def _all(arguments: argparse.Namespace) -> None:
    redis = Redis.from_url(arguments.url, socket_timeout=10)
    out = os.open(arguments.out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    dice = random.Random(arguments.seed)
    over = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_told_to_stop(over))
            for number in range(arguments.holders):
                name = f"{arguments.name}.{number}"
                caller = Caller(redis, name, out, random.Random(dice.random()))
                tasks.create_task(caller.run(arguments.sessions, over))
    finally:
        os.close(out)
        await redis.aclose()


def main() -> None:
    parser = argparse.ArgumentParser()
    for word in ("url", "name", "out"):
        parser.add_argument(f"--{word}", required=True)
    for word in ("holders", "sessions", "seed"):
        parser.add_argument(f"--{word}", type=int, required=True)
    asyncio.run(_all(parser.parse_args()))


if __name__ == "__main__":
    main()
