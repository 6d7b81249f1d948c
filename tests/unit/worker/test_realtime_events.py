"""The wire: what is sent is what the official types allow; what comes is understood or counted."""

import base64
import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.beta.realtime import RealtimeServerEvent as BetaServerEvent
from openai.types.realtime import RealtimeServerEvent

from callfleet.audio import PCM, PCMU
from callfleet.config import Agent
from callfleet.journal_entries import Usage
from services.worker import dialogue as told
from services.worker import realtime_events as api
from services.worker import realtime_requests
from services.worker.agents import session_settings
from services.worker.dialogue import Failure, Outcome, SessionCommand
from services.worker.interpreter import Interpreter
from tests.realtime_conformance import check_client_event

COMMANDS: list[SessionCommand] = [
    told.Ask(),
    told.Say('She said "hello", in Zürich\n'),
    told.Cancel("resp_1"),
    told.Truncate("item_1", 1400),
    told.Tell("The caller pressed 5."),
    told.Answer("call_1", '{"ok": true}'),
    told.EndCallerTurn(),
    told.ChangeSettings(told.Change(instructions="Be brief.", voice="voice_1", speed=1.1)),
    told.ChangeSettings(told.Change(voice="ash", listening="noisy_call_center")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_every_order_becomes_what_the_api_takes(command: SessionCommand) -> None:
    interpreter = Interpreter(PCMU)
    sent = [json.loads(message) for message in interpreter.write(command)]
    for event in sent:
        check_client_event(event)
    assert all(event["event_id"] for event in sent)


def test_settings_are_what_the_api_takes() -> None:
    for fmt in (PCMU, PCM):
        agent = Agent(name="a", org="main", instructions="Be kind.", language="de")
        event = json.loads(Interpreter(fmt).settings(session_settings(agent, fmt)))
        check_client_event(event)


@given(st.binary(max_size=2000), st.integers(0, 10**9))
def test_the_append_made_by_hand_is_the_event(audio: bytes, number: int) -> None:
    event = json.loads(realtime_requests.append(number, audio))
    check_client_event(event)
    assert base64.b64decode(event["audio"]) == audio


def test_a_sentence_to_be_said_is_quoted() -> None:
    [message] = Interpreter(PCMU).write(told.Say('Say "yes"'))
    assert json.loads(message)["response"]["instructions"] == 'Say exactly: "Say \\"yes\\""'


def test_every_type_of_the_api_is_known() -> None:
    """A new one in the official package shows here, before it shows as unknown in production."""
    members = get_args(get_args(RealtimeServerEvent)[0])
    official = {get_args(member.model_fields["type"].annotation)[0] for member in members}
    read = {member.__struct_config__.tag for member in get_args(api.ServerEvent)}
    beta = {
        get_args(member.model_fields["type"].annotation)[0]
        for member in get_args(get_args(BetaServerEvent)[0])
    }
    assert official == (read | api.UNUSED_TYPES) - (beta - official)
    assert beta <= read | api.UNUSED_TYPES | {"transcription_session.updated"}
    assert read.isdisjoint(api.UNUSED_TYPES)


@pytest.mark.parametrize(
    ("old", "fields", "fact"),
    [
        ("response.audio.delta", {"delta": "AQI="}, told.AgentAudio("i1", b"\x01\x02")),
        ("response.audio.done", {}, told.AgentAudioEnded("i1")),
        ("response.audio_transcript.delta", {"delta": "Hel"}, told.AgentWords("i1", "Hel")),
        ("response.audio_transcript.done", {"transcript": "Hello"}, told.AgentSaid("i1", "Hello")),
    ],
)
def test_the_names_of_compatible_servers_are_understood(
    old: str, fields: dict[str, Any], fact: told.Event
) -> None:
    event = parse({"type": old, "event_id": "e", "item_id": "i1", **fields})
    assert not isinstance(event, api.Unused | api.Unknown)
    assert Interpreter(PCMU).read(event) == fact


def parse(event: dict[str, Any]) -> api.ServerEvent | api.Unused | api.Unknown:
    return api.parse(json.dumps(event))


def test_a_delta_is_bytes() -> None:
    event = {
        "type": "response.output_audio.delta",
        "item_id": "i",
        "delta": base64.b64encode(b"abc").decode(),
        "content_index": 0,
    }
    assert parse(event) == api.AudioDelta("i", b"abc")


@given(
    st.one_of(
        st.binary(),
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(json.dumps),
        st.fixed_dictionaries(
            {"type": st.sampled_from([*sorted(api.UNUSED_TYPES), "error", "x.y"])}
        ).map(json.dumps),
    )
)
def test_nothing_the_api_sends_is_fatal(data: bytes | str) -> None:
    api.parse(data)


def test_the_unknown_is_named_and_the_malformed_too() -> None:
    assert parse({"type": "session.moon_phase"}) == api.Unknown("session.moon_phase")
    assert parse({"type": "response.output_audio.delta"}) == api.Unknown(
        "response.output_audio.delta"
    )
    assert isinstance(parse({"type": "input_audio_buffer.cleared"}), api.Unused)


def heard(interpreter: Interpreter, event: dict[str, Any]) -> told.Event | None:
    parsed = parse(event)
    assert not isinstance(parsed, api.Unknown | api.Unused)
    return interpreter.read(parsed)


def test_positions_in_the_sound_become_times() -> None:
    interpreter = Interpreter(PCMU)
    interpreter.append(bytes(8 * 2500))
    started = {
        "type": "input_audio_buffer.speech_started",
        "item_id": "u",
        "audio_start_ms": 2100,
    }
    assert heard(interpreter, started) == told.CallerStartedSpeaking("u", 400)


def test_a_failed_answer_carries_the_hint() -> None:
    error = {"type": "tokens", "code": "rate_limit_exceeded", "message": "try again in 6.232s."}
    event = {
        "type": "response.done",
        "response": {
            "id": "r",
            "status": "failed",
            "status_details": {"type": "failed", "error": error},
            "usage": None,
        },
    }
    expected = told.AgentTurnDone("r", Outcome.LIMITED, Usage(responses=1), 6232)
    assert heard(Interpreter(PCMU), event) == expected


def test_an_answer_that_failed_for_want_of_money_ends_the_session() -> None:
    error = {"type": "insufficient_quota", "code": "insufficient_quota", "message": "Pay."}
    response = {"id": "r", "status": "failed", "status_details": {"error": error}}
    event = {"type": "response.done", "response": response}
    assert heard(Interpreter(PCMU), event) == told.SessionFailed(Failure.REFUSED)


def test_usage_is_read_and_what_is_missing_is_nothing() -> None:
    usage = {
        "total_tokens": 9,
        "input_token_details": {"text_tokens": 5, "audio_tokens": None, "cached_tokens": 2},
    }
    event = {
        "type": "response.done",
        "response": {"id": "r", "status": "completed", "usage": usage},
    }
    done = heard(Interpreter(PCMU), event)
    assert isinstance(done, told.AgentTurnDone)
    assert done.usage == Usage(responses=1, input_text_tokens=5, input_cached_tokens=2)


def test_our_answers_are_told_from_the_sessions_own() -> None:
    interpreter = Interpreter(PCMU)

    def created(metadata: dict[str, str] | None) -> told.Event | None:
        response = {"id": "r", "status": "in_progress", "metadata": metadata}
        return heard(interpreter, {"type": "response.created", "response": response})

    [request] = interpreter.write(told.Ask())
    assert created(None) == told.AgentTurnStarted("r", asked=None)
    ours = json.loads(request)["response"]["metadata"]
    assert created(ours) == told.AgentTurnStarted("r", asked=True)
    assert created(None) == told.AgentTurnStarted("r", asked=False)


@pytest.mark.parametrize(
    ("code", "event_id", "meaning"),
    [
        ("conversation_already_has_active_response", "ask-3", told.AskRefused(busy=True)),
        ("invalid_value", "ask-3", told.AskRefused(busy=False)),
        ("invalid_value", "truncate-4", None),
        ("response_cancel_not_active", "cancel-5", None),
        ("invalid_api_key", None, told.SessionFailed(Failure.REFUSED)),
        ("session_expired", None, told.SessionFailed(Failure.EXPIRED)),
    ],
)
def test_errors_mean_what_they_were_caused_by(
    code: str, event_id: str | None, meaning: told.Event | None
) -> None:
    error = {
        "type": "invalid_request_error",
        "code": code,
        "message": "",
        "param": None,
        "event_id": event_id,
    }
    assert heard(Interpreter(PCMU), {"type": "error", "error": error}) == meaning


def test_a_tool_is_asked_once_though_the_api_says_it_twice() -> None:
    item = {
        "id": "i",
        "type": "function_call",
        "name": "end_call",
        "call_id": "c",
        "arguments": "{}",
    }
    event = {"type": "response.output_item.done", "item": item}
    assert heard(Interpreter(PCMU), event) == told.ToolAsked("c", "end_call", "{}")
    again = parse({"type": "response.function_call_arguments.done", "call_id": "c"})
    assert isinstance(again, api.Unused)
