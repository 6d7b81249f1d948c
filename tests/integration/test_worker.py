"""A worker holding calls: real Redis, real links, the simulated API; its words really heard."""

import pytest

from callfleet.audio import PCMU
from callfleet.calls import EndReason
from services.worker.recordings import apology
from tests.integration.worker_scene import a_worker

GREETING = "Thanks for calling Acme Clinic."


async def test_a_call_is_greeted_answered_and_written_down(redis_url: str) -> None:
    async with a_worker(redis_url) as scene:
        start = scene.start_of()
        phone = await scene.call(start)
        assert await phone.hears(1) == GREETING
        await phone.say("I would like to book an appointment on Tuesday at three pm")
        answer = await phone.hears(2)
        assert "Tuesday" in answer
        phone.hang_up()
        record = await scene.ended(start.call_id)

    assert [(turn.role, turn.text) for turn in record.turns] == [
        ("agent", GREETING),
        ("caller", "I would like to book an appointment on Tuesday at three pm"),
        ("agent", answer),
    ]
    assert not any(turn.interrupted for turn in record.turns)
    assert record.end is not None
    assert record.end.reason is EndReason.CALLER_HUNG_UP
    assert record.end.usage.responses == 2
    assert record.end.usage.output_audio_tokens > 0


async def test_a_caller_who_interrupts_is_heard_and_the_agent_knows_what_was_not(
    redis_url: str,
) -> None:
    async with a_worker(redis_url) as scene:
        start = scene.start_of()
        phone = await scene.call(start)
        await phone.is_spoken_to(after_ms=900)
        await phone.say("Sorry, what are your prices?")
        answer = await phone.hears(2)
        phone.hang_up()
        record = await scene.ended(start.call_id)

    heard_by_caller, _ = phone.ear.utterances[:2]
    greeting, question, reply = record.turns
    assert phone.cleared == 1
    assert greeting.interrupted
    assert greeting.heard_ms is not None
    assert GREETING.startswith(greeting.text)
    assert heard_by_caller.text.startswith(greeting.text)  # never more than was heard
    assert 0 <= heard_by_caller.ended_ms - heard_by_caller.started_ms - greeting.heard_ms < 400
    assert question.text == "Sorry, what are your prices?"
    assert reply.text == answer
    truncations = [
        event
        for side, event in scene.recorder.events
        if side == "client" and event["type"] == "conversation.item.truncate"
    ]
    assert [event["audio_end_ms"] for event in truncations] == [greeting.heard_ms]


async def test_the_agent_hangs_up_after_its_goodbye_was_heard(redis_url: str) -> None:
    async with a_worker(redis_url) as scene:
        start = scene.start_of()
        phone = await scene.call(start)
        await phone.hears(1)
        await phone.say("That is all, goodbye")
        assert await phone.is_hung_up() is EndReason.AGENT_HUNG_UP
        record = await scene.ended(start.call_id)
        assert await scene.journal.ended(start.call_id) is EndReason.AGENT_HUNG_UP

    goodbye = record.turns[-1]
    assert goodbye.text == phone.heard()[-1]
    assert not goodbye.interrupted


async def test_slot_route_and_finished_list_agree_at_the_end(redis_url: str) -> None:
    async with a_worker(redis_url) as scene:
        start = scene.start_of()
        phone = await scene.call(start)
        await phone.hears(1)
        assert (await scene.slots.usage("main")).live == 1
        route = await scene.roster.route(start.call_id)
        assert route is not None
        assert route.worker_id == "worker-1"
        phone.hang_up()
        await scene.ended(start.call_id)
        assert (await scene.slots.usage("main")).live == 0
        assert await scene.roster.route(start.call_id) is None
        assert await scene.journal.finished(10) == [start.call_id]
        assert scene.api.state()["sessions"]["live"] == 0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("insufficient_quota", EndReason.SESSION_REFUSED),
        ("model_not_found", EndReason.SESSION_REFUSED),
    ],
)
async def test_a_refused_session_ends_in_an_apology(
    redis_url: str, row: str, reason: EndReason
) -> None:
    async with a_worker(redis_url) as scene:
        scene.api.arm("refuse", 1, row=row)
        start = scene.start_of()
        phone = await scene.call(start)
        assert await phone.is_hung_up() is reason
        record = await scene.ended(start.call_id)

    assert record.end is not None
    assert record.end.reason is reason
    assert bytes(phone.played) == apology(PCMU)


@pytest.mark.parametrize("row", ["server_error", "going_away", "too_many_sessions"])
async def test_a_session_that_cannot_be_had_is_asked_for_again(redis_url: str, row: str) -> None:
    async with a_worker(redis_url) as scene:
        scene.api.arm("refuse", 2, row=row)
        phone = await scene.call()
        assert (await phone.hears_said(GREETING)).endswith(GREETING)
        phone.hang_up()


async def test_a_session_lost_in_mid_sentence_is_replaced_by_one_that_knows(redis_url: str) -> None:
    """The question that went down with it is answered; so is the next, from what came before."""
    async with a_worker(redis_url) as scene:
        start = scene.start_of()
        phone = await scene.call(start)
        await phone.hears(1)
        await phone.say("My name is Dana Whitfield.")
        await phone.hears(2)
        scene.api.arm("drop_mid_response", 1, after_deltas=6)
        await phone.say("What are your opening hours?")
        await phone.hears_said("Monday to Friday")
        await phone.say("What is my name?")
        await phone.hears_said("Dana Whitfield")
        phone.hang_up()
        record = await scene.ended(start.call_id)

    assert record.end is not None
    assert record.end.reason is EndReason.CALLER_HUNG_UP
    assert scene.api.state()["sessions"]["total"] == 2
    callers = [turn.text for turn in record.turns if turn.role == "caller"]
    assert callers == [
        "My name is Dana Whitfield.",
        "What are your opening hours?",
        "What is my name?",
    ]


async def test_a_rate_limited_answer_comes_after_the_hint(redis_url: str) -> None:
    async with a_worker(redis_url) as scene:
        scene.api.arm("rate_limited_response", 2, hint="320ms")
        phone = await scene.call()
        assert await phone.hears(1) == GREETING
        phone.hang_up()


async def test_what_the_caller_says_before_the_session_is_ready_is_not_lost(
    redis_url: str,
) -> None:
    async with a_worker(redis_url) as scene:
        scene.api.arm("slow", 1, at="connect", delay_s=0.4)
        start = scene.start_of()
        phone = await scene.call(start)
        await phone.say("What are your opening hours?")
        await phone.hears(1)
        phone.hang_up()
        record = await scene.ended(start.call_id)

    assert [turn.text for turn in record.turns if turn.role == "caller"] == [
        "What are your opening hours?"
    ]


async def test_keys_reach_the_model(redis_url: str) -> None:
    async with a_worker(redis_url) as scene:
        phone = await scene.call()
        await phone.hears(1)
        phone.press("42#")
        await phone.hears(2)
        phone.hang_up()

    told = [
        event["item"]["content"][0]["text"]
        for side, event in scene.recorder.events
        if side == "client" and event["type"] == "conversation.item.create"
    ]
    assert told == ["The caller pressed these telephone keys: 4 2 #"]
