"""What the simulated API accepts is what OpenAI's types accept, and it names what it refuses."""

import json
from typing import Any

import pytest

from simulators.realtime_checks import Refusal
from simulators.realtime_event_rules import check_event
from simulators.realtime_settings import Settings
from tests.realtime_conformance import Nonconforming, check_client_event, check_server_event

FULL_SESSION: dict[str, Any] = {
    "type": "realtime",
    "output_modalities": ["audio"],
    "instructions": "Be kind.",
    "audio": {
        "input": {
            "format": {"type": "audio/pcmu"},
            "noise_reduction": {"type": "near_field", "strength": 0.5},
            "transcription": {
                "model": "gpt-transcribe",
                "language": "en",
                "prompt": "dentistry",
                "keywords": ["Acme"],
            },
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 500,
                "idle_timeout_ms": 6000,
                "create_response": True,
                "interrupt_response": False,
            },
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.1},
    },
    "tools": [
        {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}},
        {"type": "mcp", "server_label": "s", "server_url": "https://x", "allowed_tools": ["a"]},
    ],
    "tool_choice": {"type": "function", "name": "f"},
    "parallel_tool_calls": False,
    "reasoning": {"effort": "minimal"},
    "max_output_tokens": 4096,
    "truncation": {
        "type": "retention_ratio",
        "retention_ratio": 0.8,
        "token_limits": {"post_instructions": 8000},
    },
    "tracing": {"workflow_name": "w", "group_id": "g", "metadata": {}},
    "include": ["item.input_audio_transcription.logprobs"],
}


def update(path: str, value: Any) -> dict[str, Any]:
    """A session.update that sets only what the dotted path names."""
    session: dict[str, Any] = {"type": "realtime"}
    *parents, last = path.split(".")
    place = session
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    return {"type": "session.update", "session": session}


def refusal_of(event: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        check_event(event)
    return caught.value


def test_a_session_with_every_field_is_accepted_and_shown_as_the_types_know_it() -> None:
    event = {"type": "session.update", "event_id": "e", "session": FULL_SESSION}
    check_client_event(event)
    check_event(event)
    settings = Settings("sess_1", "gpt-realtime-2.1", 1_800_000_000)
    settings.apply(FULL_SESSION, spoken=False, busy=False)
    check_server_event(
        {"type": "session.updated", "event_id": "e", "session": settings.effective()}
    )
    assert settings.effective()["audio"]["input"] == FULL_SESSION["audio"]["input"]
    assert settings.parallel_tool_calls is False


@pytest.mark.parametrize(
    ("path", "value", "code", "param"),
    [
        ("turn_detection", None, "unknown_parameter", "session.turn_detection"),
        ("modalities", ["audio"], "unknown_parameter", "session.modalities"),
        ("input_audio_format", "g711_ulaw", "unknown_parameter", "session.input_audio_format"),
        ("temperature", 0.8, "unknown_parameter", "session.temperature"),
        ("voice", "marin", "unknown_parameter", "session.voice"),
        ("output_modalities", ["audio", "text"], "invalid_value", "session.output_modalities"),
        ("instructions", None, "invalid_type", "session.instructions"),
        ("max_output_tokens", 0, "invalid_value", "session.max_output_tokens"),
        ("max_output_tokens", 5000, "invalid_value", "session.max_output_tokens"),
        ("max_output_tokens", "infinite", "invalid_value", "session.max_output_tokens"),
        ("tool_choice", "always", "invalid_value", "session.tool_choice"),
        ("tools", [{"type": "function", "name": "f", "strict": True}], "unknown_parameter", "*"),
        ("tools", [{"name": "f"}], "missing_required_parameter", "session.tools[0].type"),
        ("tools", [{"type": "function"}], "missing_required_parameter", "session.tools[0].name"),
        ("reasoning", {"effort": "huge"}, "invalid_value", "session.reasoning.effort"),
        ("truncation", "off", "invalid_value", "session.truncation"),
        ("prompt", {"id": "p"}, "invalid_value", "session.prompt"),
        ("tracing", "on", "invalid_value", "session.tracing"),
        ("audio.output.voice", "bob", "invalid_value", "session.audio.output.voice"),
        ("audio.output.speed", 2, "invalid_value", "session.audio.output.speed"),
        ("audio.output.speed", True, "invalid_type", "session.audio.output.speed"),
        ("audio.input.format", "pcm16", "invalid_type", "session.audio.input.format"),
        ("audio.input.format", {"type": "audio/pcmu", "rate": 8000}, "unknown_parameter", "*.rate"),
        ("audio.input.format", {"type": "audio/pcm", "rate": 8000}, "invalid_value", "*.rate"),
        ("audio.input.transcription", {"model": "whisper-9"}, "invalid_value", "*.model"),
        ("audio.input.noise_reduction", {"type": "car"}, "invalid_value", "*.type"),
        ("audio.input.turn_detection", {"threshold": 0.5}, "missing_required_parameter", "*.type"),
        ("audio.input.turn_detection", {"type": "none"}, "invalid_value", "*.type"),
    ],
)
def test_wrong_settings_are_named(path: str, value: Any, code: str, param: str) -> None:
    refusal = refusal_of(update(path, value))
    assert refusal.code == code
    assert refusal.param is not None
    assert refusal.param == param or refusal.param.endswith(param.removeprefix("*"))
    assert refusal.violation


@pytest.mark.parametrize(
    ("detection", "code"),
    [
        ({"type": "server_vad", "threshold": 1.5}, "invalid_value"),
        ({"type": "server_vad", "threshold": "0.5"}, "invalid_type"),
        ({"type": "server_vad", "idle_timeout_ms": 4999}, "invalid_value"),
        ({"type": "server_vad", "idle_timeout_ms": 30001}, "invalid_value"),
        ({"type": "server_vad", "silence_ms": 500}, "unknown_parameter"),
        ({"type": "server_vad", "create_response": "yes"}, "invalid_type"),
        ({"type": "semantic_vad", "idle_timeout_ms": 6000}, "unknown_parameter"),
        ({"type": "semantic_vad", "eagerness": "max"}, "invalid_value"),
    ],
)
def test_wrong_turn_detection_is_named(detection: dict[str, Any], code: str) -> None:
    assert refusal_of(update("audio.input.turn_detection", detection)).code == code


def test_a_session_needs_its_type() -> None:
    refusal = refusal_of({"type": "session.update", "session": {"instructions": "x"}})
    assert (refusal.code, refusal.param) == ("missing_required_parameter", "session.type")


@pytest.mark.parametrize(
    ("transcription", "detection", "accepted"),
    [
        ({"model": "gpt-live-transcribe"}, {"type": "server_vad"}, False),
        ({"model": "gpt-live-transcribe", "languages": ["en", "de"]}, None, True),
        ({"model": "gpt-realtime-whisper", "delay": "low"}, None, True),
        ({"model": "gpt-realtime-whisper", "prompt": "x"}, None, False),
        ({"model": "gpt-transcribe", "delay": "low"}, None, False),
        ({"model": "whisper-1", "keywords": ["x"]}, None, False),
        ({"model": "gpt-4o-transcribe-diarize", "prompt": "x"}, None, False),
    ],
)
def test_transcription_options_belong_to_models(
    transcription: dict[str, Any], detection: dict[str, Any] | None, accepted: bool
) -> None:
    settings = Settings("sess_1", "gpt-realtime-2.1", 0)
    audio = {"input": {"transcription": transcription, "turn_detection": detection}}
    before = settings.effective()
    if accepted:
        settings.apply({"type": "realtime", "audio": audio}, spoken=False, busy=False)
        assert settings.transcription == transcription
    else:
        with pytest.raises(Refusal):
            settings.apply({"type": "realtime", "audio": audio}, spoken=False, busy=False)
        assert settings.effective() == before


def test_reasoning_belongs_to_models_that_reason() -> None:
    older = Settings("sess_1", "gpt-realtime-1.5", 0)
    assert "reasoning" not in older.effective()
    for change in ({"reasoning": {"effort": "low"}}, {"parallel_tool_calls": True}):
        with pytest.raises(Refusal):
            older.apply({"type": "realtime", **change}, spoken=False, busy=False)


def test_tracing_stays_as_it_was_set() -> None:
    settings = Settings("sess_1", "gpt-realtime-2.1", 0)
    settings.apply({"type": "realtime", "tracing": "auto"}, spoken=False, busy=False)
    with pytest.raises(Refusal):
        settings.apply({"type": "realtime", "tracing": None}, spoken=False, busy=False)


ITEM = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}


def item(**changes: Any) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": {**ITEM, **changes}}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "input_audio_buffer.append", "audio": "////", "event_id": "x"},
        {"type": "input_audio_buffer.commit"},
        {"type": "input_audio_buffer.clear"},
        item(id="mine"),
        item(role="system"),
        item(role="assistant", content=[{"type": "output_text", "text": "hi"}]),
        {
            "type": "conversation.item.create",
            "previous_item_id": "root",
            "item": {"type": "function_call_output", "call_id": "c", "output": "{}"},
        },
        {
            "type": "conversation.item.create",
            "item": {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{"},
        },
        {
            "type": "conversation.item.truncate",
            "item_id": "i",
            "content_index": 0,
            "audio_end_ms": 10,
        },
        {"type": "conversation.item.delete", "item_id": "i"},
        {"type": "conversation.item.retrieve", "item_id": "i"},
        {"type": "response.create"},
        {
            "type": "response.create",
            "response": {
                "conversation": "none",
                "input": [ITEM, {"type": "item_reference", "id": "i"}],
                "output_modalities": ["text"],
                "metadata": {"turn": "7"},
                "max_output_tokens": "inf",
                "tool_choice": "none",
            },
        },
        {"type": "response.cancel", "response_id": "r"},
    ],
)
def test_what_the_types_know_is_accepted(event: dict[str, Any]) -> None:
    check_client_event(event)
    check_event(event)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"type": "input_audio_buffer.append"}, "missing_required_parameter"),
        ({"type": "input_audio_buffer.append", "audio": 7}, "invalid_type"),
        ({"type": "input_audio_buffer.append", "data": "//", "audio": ""}, "unknown_parameter"),
        (item(role="robot"), "invalid_value"),
        (item(content=[{"type": "text", "text": "hi"}]), "invalid_value"),
        (item(content=[]), "invalid_value"),
        (item(role="assistant", content=[{"type": "output_audio"}]), "invalid_value"),
        (item(role="assistant", content=[{"type": "input_text", "text": "x"}]), "invalid_value"),
        ({"type": "conversation.item.truncate", "item_id": "i"}, "missing_required_parameter"),
        ({"type": "response.create", "response": {"voice": "marin"}}, "unknown_parameter"),
        ({"type": "response.create", "response": {"conversation": "all"}}, "invalid_value"),
        (
            {"type": "response.create", "response": {"metadata": {str(n): "" for n in range(17)}}},
            "invalid_value",
        ),
        ({"type": "transcription_session.update"}, "invalid_value"),
    ],
)
def test_wrong_events_are_refused(event: dict[str, Any], code: str) -> None:
    assert refusal_of(event).code == code


def test_the_judge_itself_is_strict() -> None:
    for path, value in (
        ("audio.input.turn_detektion", None),
        ("audio.input.format", {"type": "audio/pcmu", "rate": 8000}),
        ("audio.input.turn_detection", {"type": "server_vad", "threshold": "0.5"}),
    ):
        with pytest.raises(Nonconforming):
            check_client_event(json.loads(json.dumps(update(path, value))))
