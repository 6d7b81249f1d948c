"""A call's life in virtual time: what arrives is performed, and what ends it ends it in order."""

import asyncio

from callfleet.calls import EndReason
from services.worker import dialogue as told
from services.worker.call import Call
from services.worker.dialogue import Outcome
from tests.unit.worker.lives import BEGINNING, END, hang_up, lived
from tests.unit.worker.world import World


def test_a_call_begins_and_ends_in_order() -> None:
    world = lived(hang_up)
    assert world.deeds == BEGINNING + END
    assert world.stream.closed is EndReason.CALLER_HUNG_UP
    assert world.journal.ended is not None
    assert world.journal.ended.reason is EndReason.CALLER_HUNG_UP
    assert world.journal.ended.ended_at_ms == 1_000_000 + 250 + 1000
    assert world.journal.ended.usage.model == "gpt-realtime-2.1"
    assert world.session.commands == [told.Say("Hello!")]


def test_the_callers_sound_goes_straight_to_the_session() -> None:
    async def story(world: World, call: Call) -> None:
        call.talk.on_audio(b"early")
        await asyncio.sleep(1)
        call.talk.on_audio(b"late")
        call.talk.on_close(EndReason.CALLER_HUNG_UP)

    assert lived(story).session.heard == b"earlylate"


def test_a_conversation_is_performed() -> None:
    async def story(world: World, call: Call) -> None:
        await asyncio.sleep(1)
        receive = world.session.receive
        receive(told.AgentTurnStarted("r1"))
        receive(told.AgentWords("i1", "Hello!"))
        receive(told.AgentAudio("i1", b"\x01" * 3200))
        receive(told.CallerStartedSpeaking("u1"))
        assert world.stream.clears == 1
        receive(told.AgentTurnDone("r1", Outcome.CANCELLED))
        receive(told.CallerStoppedSpeaking("u1"))
        receive(told.CallerTurnEnded("u1"))
        receive(told.CallerWords("u1", "Stop."))
        call.talk.on_close(EndReason.CALLER_HUNG_UP)

    world = lived(story)
    assert world.stream.played == b"\x01" * 3200
    assert world.stream.marks == ["1", "2"]
    assert world.session.commands[-1] == told.Truncate("i1", 0)
    assert world.journal.turns == [("caller", "Stop.")]


def test_timers_run_and_stop() -> None:
    async def story(world: World, call: Call) -> None:
        await asyncio.sleep(1)
        call.talk.on_dtmf("7")
        await asyncio.sleep(2)
        call.talk.on_close(EndReason.CALLER_HUNG_UP)

    world = lived(story)
    assert told.Tell("The caller pressed these telephone keys: 7") in world.session.commands
