"""What a call's end tells of money and waiting, and what its journal tells of the sound."""

import asyncio

from callfleet.audio import PCMU
from callfleet.calls import EndReason
from callfleet.journal_entries import Note, Usage
from callfleet.prices import VERSION
from services.worker import dialogue as told
from services.worker.call import Call
from services.worker.dialogue import Outcome, Sound
from services.worker.spending import receipt, spent_before
from tests.unit.worker.lives import lived
from tests.unit.worker.world import World

ANSWER = Usage(responses=1, input_audio_tokens=100, output_audio_tokens=200)
WORDS = Usage(transcription_audio_tokens=600)


async def one_answer(world: World, call: Call) -> None:
    await asyncio.sleep(1)
    receive = world.session.receive
    receive(told.CallerStartedSpeaking("u1"))
    await asyncio.sleep(2)
    receive(told.CallerStoppedSpeaking("u1", ago_ms=500))
    receive(told.CallerTurnEnded("u1"))
    await asyncio.sleep(0.3)
    receive(told.AgentTurnStarted("r1"))
    receive(told.AgentAudio("i1", b"\x01" * 800))
    receive(told.AgentTurnDone("r1", Outcome.COMPLETED, ANSWER))
    receive(told.CallerWords("u1", "Hello?", WORDS))
    call.talk.on_close(EndReason.CALLER_HUNG_UP)


def test_the_end_tells_cost_and_waiting() -> None:
    end = lived(one_answer).journal.ended
    assert end is not None
    assert end.cost_micro_usd == 100 * 32 + 200 * 64 + 4_500
    assert end.price_version == VERSION
    assert (end.usage.model, end.usage.transcription_model) == (
        "gpt-realtime-2.1",
        "gpt-transcribe",
    )
    assert (end.answers, end.answer_ms_median, end.answer_ms_slowest) == (1, 800, 800)


def test_the_journal_tells_it_answer_by_answer() -> None:
    notes = [each for each in lived(one_answer).journal.entries if isinstance(each, Note)]
    (wait,) = [note.data for note in notes if note.kind == "answer"]
    own_ms = wait.pop("own_ms")
    assert isinstance(own_ms, float) and own_ms >= 0
    assert wait == {"after_ms": 800, "decided_ms": 500, "api_ms": 300}
    assert spent_before(list(notes)).responses == 1
    assert spent_before(list(notes)).transcription_audio_tokens == 600


def test_who_takes_a_call_over_takes_its_account_over() -> None:
    async def story(world: World, call: Call) -> None:
        world.journal.entries.append(receipt(ANSWER, 100))  # by the worker before
        await one_answer(world, call)

    end = lived(story).journal.ended
    assert end is not None
    assert end.usage.responses == 2
    assert end.cost_micro_usd == 2 * (100 * 32 + 200 * 64) + 4_500


def test_a_receipt_that_is_not_one_is_passed_over() -> None:
    strange = Note("usage", 1, {"responses": "many", "input_audio_tokens": 5, "tokens": 3})
    assert spent_before([strange]) == Usage(input_audio_tokens=5)


def test_a_call_is_listened_to_and_looked_at() -> None:
    async def story(world: World, call: Call) -> None:
        await asyncio.sleep(1)
        loud = bytes([0x80, 0x00] * 80)  # nothing but full scale
        for _ in range(600):
            call.talk.on_audio(loud)
        for _ in range(5):
            call.talk.look()
            await asyncio.sleep(1)
        call.talk.on_close(EndReason.CALLER_HUNG_UP)

    world = lived(story)
    notes = [each for each in world.journal.entries if isinstance(each, Note)]
    troubles = [note.data["trouble"] for note in notes if note.kind == "sound"]
    assert troubles == [Sound.CLIPPED.value, Sound.NOTHING.value]
    assert len(world.session.heard) == 600 * PCMU.bytes(20)
