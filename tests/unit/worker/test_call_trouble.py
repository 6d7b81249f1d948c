"""Every way out of a call leads through the same end, once, in order; or writes nothing at all."""

import asyncio

import pytest

from callfleet.audio import PCMU
from callfleet.calls import EndReason
from callfleet.errors import AtCapacity, CallEnded, SlotLost
from services.worker import dialogue as told
from services.worker.call import Call
from services.worker.dialogue import Failure
from services.worker.recordings import apology, filler
from tests.unit.worker.lives import BEGINNING, END, hang_up, in_world, lived
from tests.unit.worker.world import AWAY, World


def test_no_slot() -> None:
    async def make() -> World:
        world = World()
        world.fails("adopt slot", AtCapacity())
        call = world.call()
        await call.live()
        return world

    world = in_world(make)
    assert world.deeds == ["drop route", "close stream"]
    assert world.stream.closed is EndReason.NO_SLOT


@pytest.mark.parametrize("deed", ["adopt slot", "open journal"])
@pytest.mark.parametrize("error", [SlotLost, CallEnded])
def test_a_call_that_is_not_ours_from_the_beginning(deed: str, error: type[Exception]) -> None:
    async def make() -> World:
        world = World()
        world.fails(deed, error())
        await world.call().live()
        return world

    world = in_world(make)
    assert "end journal" not in world.deeds
    assert "open session" not in world.deeds
    assert world.stream.closed is EndReason.SLOT_LOST


def test_a_route_that_is_not_ours_fences() -> None:
    async def make() -> World:
        world = World()
        world.settled = False
        await world.call().live()
        return world

    world = in_world(make)
    assert "end journal" not in world.deeds
    assert world.stream.closed is EndReason.SLOT_LOST


def test_a_route_that_redis_could_not_take_is_no_reason_to_end() -> None:
    async def make() -> World:
        world = World()
        world.fails("settle route", AWAY)
        call = world.call()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(call.live())
            await hang_up(world, call)
        return world

    assert in_world(make).stream.closed is EndReason.CALLER_HUNG_UP


def test_a_call_with_a_slot_goes_on_though_its_journal_cannot_be_opened() -> None:
    async def make() -> World:
        world = World()
        world.fails("open journal", *[AWAY] * 7)
        call = world.call()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(call.live())
            await asyncio.sleep(5)
            world.session.receive(told.CallerTurnEnded("u1"))
            world.session.receive(told.CallerWords("u1", "Hello?"))
            await asyncio.sleep(5)
            await hang_up(world, call)
        return world

    world = in_world(make)
    assert world.deeds == [
        "adopt slot", "open session", "open journal", "settle route", *END
    ]  # fmt: skip
    assert world.journal.turns == [("caller", "Hello?")]


def test_without_redis_and_without_a_share_the_call_ends_before_it_begins() -> None:
    async def make() -> World:
        world = World()
        world.fails("adopt slot", AWAY)
        await world.call().live()
        return world

    world = in_world(make)
    assert world.deeds == ["drop route", "close stream"]
    assert world.stream.closed is EndReason.NO_SLOT


def test_within_the_share_a_call_without_redis_talks_and_is_written_down_when_it_is_back() -> None:
    async def make() -> World:
        world = World()
        world.leases.shared = True
        world.fails("adopt slot", *[AWAY] * 30)
        call = world.call()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(call.live())
            await asyncio.sleep(5)
            world.session.receive(told.CallerTurnEnded("u1"))
            world.session.receive(told.CallerWords("u1", "Hello?"))
            await hang_up(world, call)
            await asyncio.sleep(0.1)
            assert world.stream.closed is EndReason.CALLER_HUNG_UP  # it waits for no Redis
        return world

    world = in_world(make)
    registered = ["adopt slot", "open journal", "settle route"]
    begun = ["open session", "close session", "close stream"]
    assert world.deeds == [*begun, *registered, "end journal", "tell analytics"]
    assert world.journal.turns == [("caller", "Hello?")]


def test_a_call_somebody_else_ended_meanwhile_writes_nothing() -> None:
    async def make() -> World:
        world = World()
        world.leases.shared = True
        world.fails("adopt slot", AWAY)
        world.fails("open journal", CallEnded())
        await world.call().live()
        return world

    world = in_world(make)
    assert "end journal" not in world.deeds
    assert world.stream.closed is EndReason.SLOT_LOST


def test_redis_away_at_the_beginning_for_a_moment() -> None:
    async def make() -> World:
        world = World()
        world.fails("open journal", AWAY)
        call = world.call()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(call.live())
            await asyncio.sleep(5)
            await hang_up(world, call)
        return world

    assert in_world(make).deeds == BEGINNING + END


def test_redis_away_at_the_end_lets_the_caller_go_and_ends_once() -> None:
    async def make() -> World:
        world = World()
        world.fails("end journal", *[AWAY] * 5)
        call = world.call()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(call.live())
            await hang_up(world, call)
            await asyncio.sleep(0.1)
            assert world.stream.closed is EndReason.CALLER_HUNG_UP
        return world

    world = in_world(make)
    assert world.deeds.count("end journal") == 1
    assert world.deeds[-2:] == ["end journal", "tell analytics"]


def test_a_lost_slot_fences_the_call_in_mid_sentence() -> None:
    async def story(world: World, call: Call) -> None:
        await asyncio.sleep(1)
        world.leases.on_lost()

    world = lived(story)
    assert world.deeds == [*BEGINNING, "close session", "close stream"]
    assert world.journal.ended is None
    assert world.stream.closed is EndReason.SLOT_LOST


def test_a_journal_that_refuses_fences_too() -> None:
    async def story(world: World, call: Call) -> None:
        await asyncio.sleep(1)
        world.journal.fenced = True
        world.session.receive(told.CallerTurnEnded("u1"))
        world.session.receive(told.CallerWords("u1", "Hello?"))

    world = lived(story)
    assert world.deeds == [*BEGINNING, "close session", "close stream"]


def test_a_call_given_away_by_its_gateway_writes_nothing_more() -> None:
    async def story(world: World, call: Call) -> None:
        await asyncio.sleep(1)
        call.talk.on_close(EndReason.SLOT_LOST)

    assert lived(story).journal.ended is None


def test_a_lost_leg() -> None:
    async def story(world: World, call: Call) -> None:
        await asyncio.sleep(1)
        call.talk.on_lost()

    assert lived(story).deeds == BEGINNING + END


def test_sessions_that_crash_are_replaced_and_in_the_end_apologised_for() -> None:
    async def make() -> World:
        world = World()
        world.breaks = RuntimeError("a bug")
        call = world.call()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(call.live())
            await asyncio.sleep(15)
            assert world.stream.played == filler(PCMU) + apology(PCMU)
            call.talk.on_mark(world.stream.marks[-1])
        return world

    world = in_world(make)
    assert world.stream.closed is EndReason.SESSION_LOST
    assert world.deeds.count("open session") == world.deeds.count("close session") == 6
    assert world.deeds[-3:] == END[1:]


def test_a_failed_session_without_marks_ends_all_the_same() -> None:
    async def story(world: World, call: Call) -> None:
        await asyncio.sleep(1)
        world.session.receive(told.SessionFailed(Failure.REFUSED))

    assert lived(story).stream.closed is EndReason.SESSION_REFUSED


def test_a_bug_in_the_policy_ends_only_this_call(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(world: World, call: Call) -> None:
        await asyncio.sleep(1)

        def broken(event: object, now_ms: int) -> list[object]:
            raise ZeroDivisionError

        monkeypatch.setattr(call.talk._conversation, "receive", broken)
        call.talk.on_mark("1")

    world = lived(story)
    assert world.deeds == BEGINNING + END
    assert world.stream.closed is EndReason.INTERNAL_ERROR


def test_hung_up_before_the_slot_was_there() -> None:
    async def story(world: World, call: Call) -> None:
        call.talk.on_close(EndReason.CALLER_HUNG_UP)

    world = lived(story)
    assert "open session" not in world.deeds
    assert world.deeds[-3:] == ["end journal", "close stream", "tell analytics"]


def test_the_worker_leaves() -> None:
    async def story(world: World, call: Call) -> None:
        await asyncio.sleep(1)
        call.leave()
        call.leave()

    world = lived(story)
    assert world.deeds == BEGINNING + END
    assert world.stream.closed is EndReason.DRAINED


def test_what_waits_for_redis_is_offered_again() -> None:
    async def story(world: World, call: Call) -> None:
        await asyncio.sleep(1)
        world.journal.unsent = 1
        world.session.receive(told.CallerTurnEnded("u1"))
        world.session.receive(told.CallerWords("u1", "Hello?"))
        await asyncio.sleep(3)
        call.talk.on_close(EndReason.CALLER_HUNG_UP)

    assert "flush journal" in lived(story).deeds
