"""All calls' slots, with Redis and without: what is held, shared, told when lost."""

from typing import Any

import pytest

from callfleet.calls import CallId, CallStart
from callfleet.config import load_config
from callfleet.errors import AtCapacity, StoreFault
from callfleet.slots_keeper import SlotKeeper
from callfleet.slots_terms import Beat, Lease
from services.worker.leases import ADOPT_TRIES, BeatLog, Leases
from tests.unit.worker.world import START
from tests.virtual_time import run

CONFIG = """
orgs:
  main: {sessions: 20, redis_away: share}
  strict: {sessions: 20}
agents:
  a: {org: main, vertical: v, instructions: i}
  capped: {org: main, vertical: v, instructions: i, sessions: 5}
  b: {org: strict, vertical: v, instructions: i}
"""


class MemorySlots:
    """What is used of `callfleet.slots.Slots`."""

    heartbeat_s = 5.0
    lease_ttl_s = 15.0

    def __init__(self) -> None:
        self.away = 0
        self.full = False
        self.asked: list[bool] = []  # live or not
        self.beat = Beat()
        self.renewed: list[CallId] = []
        self.released: list[CallId] = []
        self.token = 0

    async def adopt(
        self, org: str, agent: str, call_id: CallId, *, holder: str, live: bool
    ) -> Lease:
        self.asked.append(live)
        self._answer()
        if self.full:
            raise AtCapacity
        self.token += 1
        return Lease(org, agent, call_id, holder, self.token)

    async def heartbeat(self, org: str, holder: str, leases: list[Lease], *_: Any) -> Beat:
        self._answer()
        self.renewed = [lease.call_id for lease in leases]
        return self.beat

    async def release(self, lease: Lease) -> bool:
        self._answer()
        self.released.append(lease.call_id)
        return True

    def _answer(self) -> None:
        if self.away:
            self.away -= 1
            raise StoreFault("Redis is away")


class Worker:
    """Its leases, on slots in memory."""

    def __init__(self) -> None:
        slots: Any = MemorySlots()
        self.slots: MemorySlots = slots
        config = load_config(CONFIG)
        redis: Any = None  # nobody listens for hints
        self.keeper = SlotKeeper(slots, redis, "w1", config.orgs, beaten=BeatLog())
        self.leases = Leases(slots, self.keeper, config)
        self.lost: list[str] = []

    async def adopt(self, start: CallStart) -> Lease:
        return await self.leases.adopt(start, lambda: self.lost.append(start.call_id))


def start(name: str, agent: str = "a") -> CallStart:
    return CallStart(
        call_id=CallId(name),
        org="strict" if agent == "b" else "main",
        agent=agent,
        leg=START.leg,
        caller="",
        called="",
        carrier_call_id="",
        audio=START.audio,
        started_at_ms=0,
    )


def test_a_lost_lease_is_told_once_and_renewed_no_more() -> None:
    async def story() -> Worker:
        worker = Worker()
        for name in ("c1", "c2"):
            await worker.adopt(start(name))
        worker.slots.beat = Beat(lost=frozenset({CallId("c1")}))
        for _ in range(2):
            await worker.keeper.beat("main")
        return worker

    worker = run(story())
    assert worker.lost == ["c1"]
    assert worker.slots.renewed == ["c2"]


def test_a_call_that_came_anew_is_not_let_go_by_its_earlier_leg() -> None:
    async def story() -> Worker:
        worker = Worker()
        earlier = await worker.adopt(start("c1"))
        await worker.adopt(start("c1"))
        worker.leases.forget(start("c1"), earlier)
        await worker.keeper.beat("main")
        return worker

    assert run(story()).slots.renewed == ["c1"]


def test_adopting_is_tried_again_where_callers_wait_for_redis() -> None:
    async def story() -> Lease:
        worker = Worker()
        worker.slots.away = ADOPT_TRIES - 1
        return await worker.adopt(start("c1", "b"))

    assert run(story()).call_id == "c1"


@pytest.mark.parametrize(("agent", "tries"), [("a", 1), ("b", ADOPT_TRIES)])
def test_adopting_gives_up_sooner_where_nobody_need_wait(agent: str, tries: int) -> None:
    async def story() -> Worker:
        worker = Worker()
        worker.slots.away = 10
        with pytest.raises(StoreFault):
            await worker.adopt(start("c1", agent))
        return worker

    assert len(run(story()).slots.asked) == tries


def test_a_full_org_is_not_asked_twice() -> None:
    async def story() -> Worker:
        worker = Worker()
        worker.slots.full = True
        with pytest.raises(AtCapacity):
            await worker.adopt(start("c1"))
        return worker

    worker = run(story())
    assert len(worker.slots.asked) == 1
    assert worker.keeper.leases("main") == []


def test_the_share_is_four_fifths_of_the_limit_among_the_workers() -> None:
    async def story() -> list[bool]:
        worker = Worker()
        worker.leases.workers = 3
        await worker.adopt(start("held"))
        return [worker.leases.shares(start(f"c{n}")) for n in range(6)]

    # 20 * 0.8 / 3 = 5.3, and one is held already
    assert run(story()) == [True] * 4 + [False] * 2


def test_the_share_is_of_the_limit_last_heard_of() -> None:
    async def story() -> list[bool]:
        worker = Worker()
        worker.slots.beat = Beat(limit=5)
        await worker.keeper.beat("main")
        return [worker.leases.shares(start(f"c{n}")) for n in range(5)]

    assert run(story()) == [True] * 4 + [False]


def test_an_agents_own_cap_is_shared_too() -> None:
    async def story() -> list[bool]:
        worker = Worker()
        return [worker.leases.shares(start(f"c{n}", "capped")) for n in range(5)]

    assert run(story()) == [True] * 4 + [False]


def test_a_shared_place_is_free_again_when_the_call_is_over() -> None:
    async def story() -> bool:
        worker = Worker()
        worker.leases.workers = 16  # a share of one
        assert worker.leases.shares(start("c1"))
        assert not worker.leases.shares(start("c2"))
        worker.leases.forget(start("c1"), None)
        return worker.leases.shares(start("c2"))

    assert run(story())


def test_who_did_not_ask_for_a_share_has_none() -> None:
    async def story() -> bool:
        return Worker().leases.shares(start("c1", "b"))

    assert not run(story())


def test_a_slot_is_given_back_though_redis_is_away() -> None:
    async def story() -> Worker:
        worker = Worker()
        lease = await worker.adopt(start("c1"))
        worker.slots.away = 1
        await worker.leases.release(lease)
        return worker

    assert run(story()).keeper.leases("main") == []
