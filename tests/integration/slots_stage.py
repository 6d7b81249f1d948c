"""A Redis, its twin and three processes that remember what they were told: the machine's stage."""

import asyncio
import copy
from collections.abc import Coroutine
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine
from redis.asyncio import Redis

from callfleet.calls import CallId
from callfleet.slots import Lease, Slots, Waiting
from tests.integration.slots_clockwork import CLOCK, RUN, ClockworkSlots, Photograph
from tests.integration.slots_model import SlotsTwin

ORG = "main"
TTL_MS, BEAT_MS, CLAIM_MS, WAITER_MS = 15_000, 5_000, 4_000, 3_000


class Process:
    """What one process believes."""

    def __init__(self, redis: "Redis") -> None:
        self.slots: Slots = ClockworkSlots(redis)
        self.seen = ""  # the genesis it knows, for the twin
        self.leases: dict[CallId, Lease] = {}
        self.places: dict[CallId, Waiting] = {}


class Stage(RuleBasedStateMachine):
    """`url` is set by the test, since hypothesis makes the machines."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.redis = Redis.from_url(self.url, socket_timeout=5)
        self.clock, self.run_number = 1_700_000_000_000, 1
        self.twin = SlotsTwin(TTL_MS, BEAT_MS, CLAIM_MS, WAITER_MS)
        self.processes = {name: Process(self.redis) for name in ("p1", "p2", "p3", "ops")}
        self.replica: tuple[Photograph, SlotsTwin] | None = None
        self.wait_for(self.redis.flushall())
        self.show_time()

    def teardown(self) -> None:
        self.wait_for(self.redis.aclose())
        self.loop.close()

    def wait_for(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    def show_time(self) -> None:
        values: Any = {CLOCK: self.clock, RUN: f"run{self.run_number}"}
        self.wait_for(self.redis.mset(values))

    def opened(self, name: str) -> Process:
        """The twin's half of every script's beginning."""
        process = self.processes[name]
        self.before = copy.deepcopy(self.twin)
        self.twin.open(self.clock, f"run{self.run_number}", process.seen)
        process.seen = self.twin.genesis
        return process

    def take_photograph(self) -> None:
        """A replica now knows what the primary knows."""
        photograph = self.wait_for(Photograph.take(self.redis, ORG))
        self.replica = (photograph, copy.deepcopy(self.twin))

    def put_photograph_back(self) -> None:
        """The replica takes over with what it knew, under a run of its own."""
        assert self.replica is not None
        self.run_number += 1
        self.show_time()
        self.wait_for(self.replica[0].put_back(self.redis))
        self.twin = copy.deepcopy(self.replica[1])

    def wipe(self) -> None:
        """Redis restarted without a disk."""
        self.run_number += 1
        self.show_time()
        self.wait_for(Photograph(ORG, {}).put_back(self.redis))
        self.twin, self.replica = SlotsTwin(TTL_MS, BEAT_MS, CLAIM_MS, WAITER_MS), None
