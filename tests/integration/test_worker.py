"""A worker holding calls: real Redis, real links, the simulated API; its words really heard."""

from callfleet.calls import EndReason
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
