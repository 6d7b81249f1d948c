"""What the simulated Realtime API refuses, at the door and in a session, as the real one does."""

import base64
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from simulators.realtime import RealtimeSimulator, Violations
from simulators.speech import silence, speak
from tests.integration.realtime_client import MODEL, PHONE_AUDIO, client_of
from tests.realtime_conformance import check_server_event

BEARER = {"Authorization": "Bearer sk-simulated"}


async def _turned_away(api: RealtimeSimulator, query: str, headers: dict[str, str]) -> Any:
    """The error event and the close of a connection that is accepted only to be refused."""
    async with connect(api.url + query, additional_headers=headers, compression=None) as socket:
        event = json.loads(await socket.recv())
        check_server_event(event)
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        return event["error"], socket.close_code, socket.close_reason


@pytest.mark.parametrize(
    ("query", "headers", "close", "code"),
    [
        (f"?model={MODEL}", {"Authorization": "Bearer sk-wrong"}, 3000, "invalid_api_key"),
        (f"?model={MODEL}", {}, 3000, "invalid_api_key"),
        (
            f"?model={MODEL}",
            BEARER | {"OpenAI-Beta": "realtime=v1"},
            4000,
            "beta_api_shape_disabled",
        ),
        ("", BEARER, 4000, "missing_model"),
        ("?model=gpt-5-voice", BEARER, 4004, "model_not_found"),
    ],
)
async def test_refusals_come_after_the_upgrade(
    query: str, headers: dict[str, str], close: int, code: str
) -> None:
    async with RealtimeSimulator() as api:
        error, close_code, reason = await _turned_away(api, query, headers)
        assert error["code"] == code
        assert (close_code, reason) == (close, f"invalid_request_error.{code}")
        assert api.state()["refused"] == {code: 1}
        assert api.state()["sessions"]["total"] == 0


async def test_every_row_of_closes_can_be_armed_and_a_status_too() -> None:
    async with RealtimeSimulator() as api:
        api.arm("refuse", 1, row="insufficient_quota")
        error, code, reason = await _turned_away(api, f"?model={MODEL}", BEARER)
        assert (code, reason) == (1013, "insufficient_quota.insufficient_quota")
        assert error["type"] == "insufficient_quota"
        api.arm("refuse", 1, status=429)
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{api.url}?model={MODEL}", additional_headers=BEARER)
        assert refused.value.response.status_code == 429


async def test_keys_may_come_as_a_subprotocol_or_as_azure_sends_them() -> None:
    protocols = [Subprotocol("realtime"), Subprotocol("openai-insecure-api-key.sk-simulated")]
    async with RealtimeSimulator() as api:
        async with connect(f"{api.url}?model={MODEL}", subprotocols=protocols) as socket:
            assert socket.subprotocol == "realtime"
            assert json.loads(await socket.recv())["type"] == "session.created"
        azure = api.url.replace("/v1/", "/openai/v1/") + f"?model={MODEL}"
        async with connect(azure, additional_headers={"api-key": "sk-simulated"}) as socket:
            assert json.loads(await socket.recv())["type"] == "session.created"


async def test_sessions_are_counted_and_may_be_limited() -> None:
    async with RealtimeSimulator(max_sessions=2) as api:
        async with client_of(api), client_of(api, model="gpt-realtime-2.1-mini"):
            error, code, _ = await _turned_away(api, f"?model={MODEL}", BEARER)
            assert (error["code"], code) == ("rate_limit_exceeded", 1013)
            assert api.state()["sessions"]["live"] == 2
        async with client_of(api):
            pass
        assert api.state()["sessions"]["max"] == 2
        assert api.state()["sessions"]["total"] == 3


async def test_audio_before_a_session_type_is_refused_and_fails_the_test() -> None:
    async with RealtimeSimulator(expect_violations=True) as api, client_of(api) as client:
        await client.send("input_audio_buffer.append", audio="////", event_id="mine")
        error = await client.error()
        assert (error["code"], error["param"]) == ("missing_required_parameter", "session.type")
        assert error["event_id"] == "mine"
        with pytest.raises(Violations, match="Audio was sent before"):
            api.assert_clean()


async def test_a_violation_raises_when_the_simulator_is_left() -> None:
    with pytest.raises(Violations, match="turn_detektion"):
        async with RealtimeSimulator() as api, client_of(api) as client:
            session = {"type": "realtime", "audio": {"input": {"turn_detektion": None}}}
            await client.send("session.update", session=session)
            await client.error()


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("{", "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        ("[]", "invalid_type"),
        ('{"type": "response.begin"}', "invalid_value"),
        ('{"event_id": "x"}', "missing_required_parameter"),
        ('{"type": "response.cancel", "why": 1}', "unknown_parameter"),
        (b"\xff\x00", "invalid_json"),
    ],
)
async def test_what_cannot_be_understood_is_answered_and_the_session_goes_on(
    raw: str | bytes, code: str
) -> None:
    async with RealtimeSimulator(expect_violations=True) as api, client_of(api) as client:
        await client.socket.send(raw)
        assert (await client.error())["code"] == code
        await client.configure()


async def test_lost_races_are_errors_but_no_violations() -> None:
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure()
        await client.send("response.cancel", event_id="late")
        error = await client.error()
        assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "late")
        await client.send("input_audio_buffer.commit")
        assert (await client.error())["code"] == "input_audio_buffer_commit_empty"
        await client.send("conversation.item.retrieve", item_id="item_gone")
        assert (await client.error())["code"] == "item_retrieve_invalid_item_id"
        await client.send("response.create", response={"instructions": "Say: one two three"})
        await client.send("response.create")
        error = await client.error()
        assert error["code"] == "conversation_already_has_active_response"
        await client.until("response.done")
        assert api.state()["errors"]["response_cancel_not_active"] == 1


async def test_truncating_beyond_what_was_said_is_refused() -> None:
    async with RealtimeSimulator(expect_violations=True) as api, client_of(api) as client:
        await client.configure()
        await client.send("response.create", response={"instructions": "Say: short"})
        done = (await client.until("response.done"))["response"]
        audio_ms = api.state()["conversations"][0]["said"][0]["audio_ms"]
        place = {"item_id": done["output"][0]["id"], "content_index": 0}
        await client.send("conversation.item.truncate", audio_end_ms=audio_ms + 1, **place)
        error = await client.error()
        assert error["code"] == "invalid_value"
        assert f"{audio_ms}ms is already shorter than {audio_ms + 1}ms" in error["message"]
        await client.send("conversation.item.truncate", audio_end_ms=audio_ms, **place)
        await client.until("conversation.item.truncated")


async def test_the_voice_is_fixed_once_heard_and_the_model_always() -> None:
    async with RealtimeSimulator(expect_violations=True) as api, client_of(api) as client:
        await client.configure()
        audio = {"output": {"voice": "cedar"}}
        updated = await client.configure(audio=audio)
        assert updated["session"]["audio"]["output"]["voice"] == "cedar"
        assert updated["session"]["audio"]["input"]["format"] == {"type": "audio/pcmu"}
        await client.send("response.create", response={"instructions": "Say: hello"})
        await client.until("response.done")
        for session, param in (
            ({"audio": PHONE_AUDIO}, "session.audio.output.voice"),
            ({"model": "gpt-realtime"}, "session.model"),
        ):
            await client.send("session.update", session={"type": "realtime", **session})
            assert (await client.error())["param"] == param
        updated = await client.configure(instructions="", tools=[], audio={})
        assert updated["session"]["instructions"] == ""


async def test_outputs_of_calls_nobody_made_are_refused() -> None:
    async with RealtimeSimulator(expect_violations=True) as api, client_of(api) as client:
        await client.configure()
        item = {"type": "function_call_output", "call_id": "call_x", "output": "{}"}
        await client.send("conversation.item.create", item=item)
        assert (await client.error())["code"] == "invalid_tool_call_id"


async def test_a_session_ends_with_its_hour_on_the_scaled_clock() -> None:
    async with RealtimeSimulator(speed=6000.0) as api, client_of(api) as client:
        error = await client.error()
        assert error["code"] == "session_expired"
        code, reason = await client.closed()
        assert (code, reason) == (1001, "Your session hit the maximum duration of 60 minutes.")


async def test_items_can_be_placed_deleted_and_retrieved_with_their_audio() -> None:
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure()
        for name, before in (("b", None), ("a", "root"), ("c", "b")):
            content = [{"type": "input_text", "text": name}]
            item = {"id": name, "type": "message", "role": "user", "content": content}
            await client.send("conversation.item.create", item=item, previous_item_id=before)
        await client.send("conversation.item.delete", item_id="a")
        await client.until("conversation.item.deleted")
        added = client.of("conversation.item.added")
        assert [(each["item"]["id"], each["previous_item_id"]) for each in added] == [
            ("b", None),
            ("a", None),
            ("c", "b"),
        ]
        assert await client.ask("What did I say first?") == "The first thing you said was: b"
        answered = client.of("response.done")[0]["response"]["output"][0]["id"]
        await client.send("conversation.item.retrieve", item_id=answered)
        item = (await client.until("conversation.item.retrieved"))["item"]
        assert len(item["content"][0]["audio"]) > 1000


async def test_items_may_be_spoken() -> None:
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure()
        audio = base64.b64encode(speak("My name is Grace.")).decode()
        content = [{"type": "input_audio", "audio": audio}]
        item = {"type": "message", "role": "user", "content": content}
        await client.send("conversation.item.create", item=item)
        added = await client.until("conversation.item.added")
        assert "audio" not in added["item"]["content"][0]
        assert await client.ask("What is my name?") == "Your name is Grace."


async def test_a_commit_needs_a_tenth_of_a_second() -> None:
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure()
        await client.play(silence(80))
        await client.send("input_audio_buffer.commit")
        assert "only has 80.00ms" in (await client.error())["message"]
        await client.play(silence(20))
        await client.send("input_audio_buffer.commit")
        await client.until("input_audio_buffer.committed")
        await client.play(silence(200))
        await client.send("input_audio_buffer.clear")
        await client.until("input_audio_buffer.cleared")
        await client.send("input_audio_buffer.commit")
        assert "only has 0.00ms" in (await client.error())["message"]
