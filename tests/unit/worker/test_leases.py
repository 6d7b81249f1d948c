"""All calls' slots renewed together: on time, without Redis, and given up at once when lost."""

import asyncio
import itertools
from collections.abc import Sequence

import pytest

from callfleet.calls import CallId, CallStart
from callfleet.errors import AtCapacity, StoreFault
from callfleet.slots_terms import Beat, Lease
from services.worker.leases import Leases
from tests.unit.worker.world import START
from tests.virtual_time import run


class MemorySlots:
    """What is used of `callfleet.slots.Slots`."""

    heartbeat_s = 5.0

    def __init__(self) -> None:
        self.beats: list[tuple[float, str, list[CallId]]] = []
        self.lost: set[CallId] = set()
        self.away = 0
        self.full = False
        self.released: list[CallId] = []

    async def adopt(self, org: str, agent: str, call_id: CallId, *, holder: str) -> Lease:
        self._answer()
        if self.full:
            raise AtCapacity
        return Lease(org, agent, call_id, holder, 1)

    async def heartbeat(self, org: str, holder: str, leases: Sequence[Lease]) -> Beat:
        now = asyncio.get_running_loop().time()
        self.beats.append((now, org, [lease.call_id for lease in leases]))
        self._answer()
        return Beat(lost=frozenset(self.lost))

    async def release(self, lease: Lease) -> bool:
        self._answer()
        self.released.append(lease.call_id)
        return True

    def _answer(self) -> None:
        if self.away:
            self.away -= 1
            raise StoreFault("Redis is away")


def leases_of(slots: MemorySlots, orgs: list[str]) -> Leases:
    return Leases(slots, "worker-1", orgs)  # type: ignore[arg-type] # in memory


def start(name: str) -> CallStart:
    return CallStart(
        call_id=CallId(name),
        org="main",
        agent="a",
        leg=START.leg,
        caller="",
        called="",
        carrier_call_id="",
        audio=START.audio,
        started_at_ms=0,
    )


async def beating(leases: Leases, seconds: float) -> None:
    task = asyncio.create_task(leases.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_one_heartbeat_an_org_for_all_calls() -> None:
    async def story() -> MemorySlots:
        slots = MemorySlots()
        leases = leases_of(slots, ["main", "other"])
        for name in ("c1", "c2", "c3"):
            await leases.adopt(start(name), lambda: None)
        await beating(leases, 60)
        return slots

    slots = run(story())
    main = [beat for beat in slots.beats if beat[1] == "main"]
    assert all(calls == ["c1", "c2", "c3"] for _, _, calls in main)
    assert 12 <= len(main) <= 16
    gaps = [later[0] - earlier[0] for earlier, later in itertools.pairwise(main)]
    assert all(4 <= gap <= 5 for gap in gaps)
    assert [calls for _, org, calls in slots.beats if org == "other"] == [[]] * len(
        [beat for beat in slots.beats if beat[1] == "other"]
    )


def test_a_lost_lease_is_told_once_and_renewed_no_more() -> None:
    async def story() -> tuple[list[str], MemorySlots]:
        slots = MemorySlots()
        leases = leases_of(slots, ["main"])
        told: list[str] = []
        await leases.adopt(start("c1"), lambda: told.append("c1"))
        await leases.adopt(start("c2"), lambda: told.append("c2"))
        slots.lost = {CallId("c1")}
        await beating(leases, 30)
        return told, slots

    told, slots = run(story())
    assert told == ["c1"]
    assert slots.beats[-1][2] == ["c2"]


def test_redis_away_is_asked_again_every_second() -> None:
    async def story() -> MemorySlots:
        slots = MemorySlots()
        slots.away = 3
        await beating(leases_of(slots, ["main"]), 10)
        return slots

    assert [beat[0] for beat in run(story()).beats[:4]] == [0, 1, 2, 3]


def test_adopting_survives_a_moment_without_redis() -> None:
    async def story() -> None:
        slots = MemorySlots()
        leases = leases_of(slots, ["main"])
        slots.away = 2
        assert (await leases.adopt(start("c1"), lambda: None)).call_id == "c1"
        slots.away = 3
        with pytest.raises(StoreFault):
            await leases.adopt(start("c2"), lambda: None)
        slots.full = True
        with pytest.raises(AtCapacity):
            await leases.adopt(start("c3"), lambda: None)
        await beating(leases, 1)
        assert slots.beats[0][2] == ["c1"]

    run(story())


def test_what_is_over_is_not_renewed_and_what_came_anew_is() -> None:
    async def story() -> None:
        slots = MemorySlots()
        leases = leases_of(slots, ["main"])
        old = await leases.adopt(start("c1"), lambda: None)
        newer = Lease(old.org, old.agent, old.call_id, old.holder, 2)
        leases.forget(newer)  # of another adoption: not this one's to forget
        await beating(leases, 1)
        await leases.release(old)
        slots.away = 1
        await leases.release(old)  # Redis away: it lapses by itself
        await beating(leases, 1)
        assert [beat[2] for beat in slots.beats] == [["c1"], []]
        assert slots.released == ["c1"]

    run(story())
