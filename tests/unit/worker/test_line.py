"""A call's line across sessions, in virtual time: who is told what, and what each of them hears."""

import asyncio

from callfleet.calls import EndReason
from services.worker import dialogue as told
from services.worker.call import Call
from services.worker.dialogue import Failure
from tests.unit.worker.lives import lived
from tests.unit.worker.world import World

FRAME = 160


def frame(number: int) -> bytes:
    return bytes([number]) * FRAME


async def speak(call: Call, numbers: range) -> None:
    for number in numbers:
        call.talk.on_audio(frame(number))
        await asyncio.sleep(0.02)


async def lose(world: World) -> None:
    """The session in use is gone, and its task with it."""
    session = world.session
    session.receive(told.SessionFailed(Failure.LOST))
    await session.close()


def test_what_came_while_there_was_no_session_is_heard_by_the_next() -> None:
    async def story(world: World, call: Call) -> None:
        await asyncio.sleep(1)
        await speak(call, range(10))
        await lose(world)
        await speak(call, range(10, 20))
        await asyncio.sleep(1)
        await speak(call, range(20, 25))
        call.talk.on_close(EndReason.CALLER_HUNG_UP)

    first, second = lived(story).sessions
    assert first.heard == b"".join(frame(n) for n in range(10))
    assert second.heard == b"".join(frame(n) for n in range(10, 25))


def test_a_sentence_cut_by_a_loss_is_heard_whole_by_the_next() -> None:
    async def story(world: World, call: Call) -> None:
        await asyncio.sleep(1)
        await speak(call, range(100))
        world.session.receive(told.CallerStartedSpeaking("u1", ago_ms=400))
        await speak(call, range(100, 110))
        await lose(world)
        await asyncio.sleep(1)
        call.talk.on_close(EndReason.CALLER_HUNG_UP)

    _, second = lived(story).sessions
    assert second.heard == b"".join(frame(n) for n in range(60, 110)), "from 400 ms before it began"


def test_a_spare_hears_nothing_until_it_is_switched_to_and_the_old_one_is_closed() -> None:
    async def story(world: World, call: Call) -> None:
        world.session.lifetime_ms = 20_000
        first = world.session
        await asyncio.sleep(1)
        first.receive(told.AgentTurnStarted("r1"))
        first.receive(told.AgentAudio("i1", b"\x01" * 1600))
        await asyncio.sleep(9.5)
        first.receive(told.AgentTurnDone("r1", told.Outcome.COMPLETED))
        call.talk.on_mark(world.stream.marks[-1])
        assert len(world.sessions) == 2, "opened beside the one in use"
        await speak(call, range(40))
        assert world.deeds.count("close session") == 0
        await asyncio.sleep(1)
        await speak(call, range(40, 45))
        assert world.deeds.count("close session") == 1
        call.talk.on_close(EndReason.CALLER_HUNG_UP)

    first, second = lived(story).sessions
    heard = b"".join(frame(n) for n in range(45))
    overlap = len(first.heard) + len(second.heard) - len(heard)
    assert heard == first.heard + second.heard[overlap:]
    assert 0 < overlap <= 50 * FRAME


def test_an_old_session_has_nothing_to_say_any_more() -> None:
    async def story(world: World, call: Call) -> None:
        await asyncio.sleep(1)
        old = world.session
        await lose(world)
        await asyncio.sleep(1)
        old.receive(told.AgentTurnStarted("ghost"))
        old.receive(told.AgentAudio("ghost", b"\x01" * 1600))
        call.talk.on_close(EndReason.CALLER_HUNG_UP)

    assert lived(story).stream.played == b""


def test_hanging_up_while_a_session_is_waited_for_ends_at_once() -> None:
    async def story(world: World, call: Call) -> None:
        await asyncio.sleep(1)
        for _ in range(4):
            await lose(world)
            await asyncio.sleep(0)
        call.talk.on_close(EndReason.CALLER_HUNG_UP)

    world = lived(story)
    assert world.stream.closed is EndReason.CALLER_HUNG_UP
    assert world.deeds.count("open session") == 1
