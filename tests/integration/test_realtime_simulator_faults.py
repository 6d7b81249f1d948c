"""Each fault point of the simulated Realtime API does what its name says, and only once."""

import asyncio
import json
import re
import signal
import sys
from typing import Any

import aiohttp
import pytest

from simulators.realtime import RealtimeSimulator
from simulators.realtime_faults import POINTS, UnknownFault
from tests.integration.realtime_client import Client, client_of

SENTENCE = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen."
LINE = {"instructions": f"Say: {SENTENCE}"}


async def _respond(client: Client) -> dict[str, Any]:
    await client.send("response.create", response=LINE)
    done: dict[str, Any] = (await client.until("response.done"))["response"]
    return done


@pytest.mark.parametrize("hint", ["320ms", "6.232s", "1m26.4s"])
async def test_a_rate_limited_response_fails_with_a_hint_and_the_next_one_speaks(
    hint: str,
) -> None:
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure()
        api.arm("rate_limited_response", 1, hint=hint)
        done = await _respond(client)
        error = done["status_details"]["error"]
        assert (done["status"], error["code"]) == ("failed", "rate_limit_exceeded")
        assert f"Please try again in {hint}." in error["message"]
        assert done["output"] == []
        assert (await _respond(client))["status"] == "completed"


async def test_an_allowance_of_tokens_runs_out_and_refills() -> None:
    api = RealtimeSimulator(tokens_per_minute=400, audio_speed=50.0)
    async with api, client_of(api) as client:
        await client.configure("Be brief. " * 60)
        statuses = [(await _respond(client))["status"] for _ in range(3)]
        assert statuses[0] == "completed" and statuses[-1] == "failed"
        error = client.of("response.done")[-1]["response"]["status_details"]["error"]
        assert re.search(r"Limit 400, Used \d+, Requested \d+", error["message"])
        limits = client.of("rate_limits.updated")[0]["rate_limits"][0]
        assert limits["limit"] == 400 and limits["remaining"] < 400


@pytest.mark.parametrize(
    ("point", "status", "details"),
    [
        ("failed_response", "failed", {"code": "server_error"}),
        ("incomplete", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
        ("empty_response", "completed", None),
    ],
)
async def test_responses_that_end_badly(point: str, status: str, details: Any) -> None:
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure()
        api.arm(point)
        done = await _respond(client)
        assert done["status"] == status
        if status == "failed":
            assert done["status_details"]["error"]["code"] == details["code"]
        elif status == "incomplete":
            assert done["status_details"]["reason"] == details
            assert len(client.ear.utterances) == 1
        else:
            assert done["output"] == []
        assert (await _respond(client))["status"] == "completed"


async def test_a_dropped_socket_is_no_close() -> None:
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure()
        api.arm("drop_mid_response", 1, after_deltas=2)
        await client.send("response.create", response=LINE)
        code, _ = await client.closed()
        assert code == 1006
        assert len(client.of("response.output_audio.delta")) <= 2


async def test_a_close_with_code_and_reason_in_the_middle() -> None:
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure()
        api.arm("close", 1, code=1012, reason="service restart", after_deltas=3)
        await client.send("response.create", response=LINE)
        assert await client.closed() == (1012, "service restart")
        assert len(client.of("response.output_audio.delta")) == 3


async def test_a_stall_sends_nothing_more() -> None:
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure()
        api.arm("stall", 1, after_deltas=1)
        await client.send("response.create", response=LINE)
        await client.until("response.output_audio.delta")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.until("response.done")


async def test_a_session_may_never_even_begin() -> None:
    async with RealtimeSimulator() as api:
        api.arm("stall", 1, at="connect")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), client_of(api):
                raise AssertionError("session.created arrived")
        async with client_of(api) as client:
            await client.configure()


async def test_a_session_may_never_be_confirmed() -> None:
    async with RealtimeSimulator() as api, client_of(api) as client:
        api.arm("never_session_updated")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.configure()
        await client.configure()


async def test_error_events_unknown_events_and_slow_ones() -> None:
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure()
        api.arm("error_event", 1, code="server_error", message="Oops.")
        api.arm("unknown_event")
        api.arm("slow", 1, delay_s=0.2)
        await _respond(client)
        assert client.of("error")[0]["error"]["message"] == "Oops."
        await _respond(client)
        assert "session.moon_phase.updated" in client.types()
        assert (await _respond(client))["status"] == "completed"
        assert api.state()["faults"] == []


async def test_a_slow_response_can_be_cancelled() -> None:
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure()
        api.arm("slow", 1, delay_s=3600)
        await client.send("response.create", response=LINE)
        created = (await client.until("response.created"))["response"]
        await client.send("response.cancel", response_id=created["id"])
        done = (await client.until("response.done"))["response"]
        assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}


async def test_all_sessions_can_be_ended_at_once() -> None:
    async with RealtimeSimulator() as api:
        async with client_of(api) as one, client_of(api) as other:
            assert await api.end_sessions(1012, "restart") == 2
            assert await one.closed() == (1012, "restart")
            assert await other.closed() == (1012, "restart")
        async with client_of(api) as client:
            await api.end_sessions()
            assert (await client.closed())[0] == 1006
        assert api.state()["sessions"] == {"live": 0, "max": 2, "total": 3}


async def test_transcripts_late_or_failed() -> None:
    topic = "conversation.item.input_audio_transcription"
    async with RealtimeSimulator(audio_speed=50.0) as api, client_of(api) as client:
        await client.configure()
        api.arm("late_transcript", 1, delay_s=0.8)
        api.arm("failed_transcript")
        await client.ask("Hello there.")
        assert f"{topic}.completed" not in client.types()
        await client.until(f"{topic}.completed")
        await client.say("Hello again.")
        await client.until(f"{topic}.failed")


async def test_a_call_of_a_function_may_be_signalled_twice() -> None:
    tool = {"type": "function", "name": "lookup", "parameters": {"type": "object"}}
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure(tools=[tool])
        api.arm("duplicate_function_call")
        await client.say("Use tool lookup.")
        await client.until("response.done")
        done = client.of("response.output_item.done")
        assert [each["item"]["call_id"] for each in done] == [done[0]["item"]["call_id"]] * 2


async def test_a_fault_may_be_meant_for_some_sessions_only() -> None:
    async with RealtimeSimulator() as api, client_of(api) as one, client_of(api) as other:
        await one.configure("You work for the salon.")
        await other.configure("You work for the clinic.")
        api.arm("failed_response", 1, matching="clinic")
        assert (await _respond(one))["status"] == "completed"
        assert (await _respond(other))["status"] == "failed"


async def test_what_is_not_a_fault_is_refused() -> None:
    api = RealtimeSimulator()
    for point, options in (
        ("earthquake", {}),
        ("stall", {"hint": "1s"}),
        ("refuse", {"row": "sunday"}),
        ("close", {"at": "noon"}),
    ):
        with pytest.raises(UnknownFault):
            api.arm(point, 1, **options)
    assert all(
        moment in ("connect", "update", "turn", "response") for moment, *_ in POINTS.values()
    )


async def test_the_command_reports_arms_and_leaves_with_3_after_a_violation() -> None:
    command = [sys.executable, "-m", "simulators", "realtime", "--audio-speed", "20"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    assert ready["ready"] == "realtime"
    api = RealtimeSimulator()
    api.url = ready["url"]
    async with aiohttp.ClientSession() as http, client_of(api) as client:
        await client.configure()
        body = {"point": "failed_response", "times": 1}
        async with http.post(f"{ready['control']}/faults", json=body) as answer:
            assert answer.status == 200
        async with http.post(f"{ready['control']}/faults", json={"point": "x"}) as answer:
            assert answer.status == 400
        assert (await _respond(client))["status"] == "failed"
        await client.send("response.create", response={"modalities": ["audio"]})
        await client.error()
        async with http.get(f"{ready['control']}/state") as answer:
            state = await answer.json()
        assert state["sessions"] == {"live": 1, "max": 1, "total": 1}
        assert "modalities" in state["violations"][0]
    process.send_signal(signal.SIGTERM)
    violations = json.loads(await process.stdout.readline())
    assert "unknown_parameter" in violations["violations"][0]
    assert await process.wait() == 3
