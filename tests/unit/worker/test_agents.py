"""An agent's page in callfleet.yaml, as the API gets it."""

from datetime import date
from typing import Any

import msgspec

from callfleet.audio import PCM, PCMU
from callfleet.config import PRESETS, Agent
from services.worker.agents import manner_of, session_settings


def agent(**fields: Any) -> Agent:
    return msgspec.convert({"org": "main", "instructions": "Be kind.", **fields}, Agent)


def test_the_usual_agent() -> None:
    session = session_settings(agent(), PCMU)
    assert session["type"] == "realtime"
    assert session["output_modalities"] == ["audio"]
    assert session["instructions"] == "Be kind."
    assert session["audio"] == {
        "input": {
            "format": {"type": "audio/pcmu"},
            "transcription": {"model": "gpt-transcribe"},
            "turn_detection": PRESETS["phone_line"],
        },
        "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"},
    }
    assert [tool["name"] for tool in session["tools"]] == ["end_call"]


def test_a_browsers_leg_speaks_pcm() -> None:
    session = session_settings(agent(), PCM)
    assert session["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24000}


def test_extras_are_merged_deeply_but_never_the_legs_format() -> None:
    extras = {
        "max_output_tokens": 300,
        "audio": {
            "input": {"format": {"type": "audio/pcm"}, "noise_reduction": {"type": "far_field"}},
            "output": {"speed": 1.1},
        },
        "tools": [{"type": "function", "name": "lookup"}, {"type": "function", "name": "end_call"}],
        "tracing": None,
    }
    session = session_settings(agent(session=extras), PCMU)
    assert session["max_output_tokens"] == 300
    assert session["tracing"] is None  # said is said, and null is something
    assert "include" not in session
    assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert session["audio"]["input"]["noise_reduction"] == {"type": "far_field"}
    assert session["audio"]["input"]["turn_detection"] == PRESETS["phone_line"]
    assert session["audio"]["output"] == {
        "format": {"type": "audio/pcmu"},
        "voice": "marin",
        "speed": 1.1,
    }
    assert [tool["name"] for tool in session["tools"]] == ["end_call", "lookup"]


def test_a_custom_voice_and_a_language() -> None:
    session = session_settings(agent(voice="voice_123", language="de"), PCMU)
    assert session["audio"]["output"]["voice"] == {"id": "voice_123"}
    assert session["audio"]["input"]["transcription"]["language"] == "de"


def test_what_is_usual_has_fields_of_its_own() -> None:
    session = session_settings(
        agent(
            noise_reduction="far_field",
            speed=1.1,
            reasoning="low",
            max_output_tokens="inf",
            truncation={"type": "retention_ratio", "retention_ratio": 0.8},
            transcription={"model": "gpt-transcribe", "keywords": ["Callfleet"]},
            language="de",
        ),
        PCMU,
    )
    assert session["audio"]["input"]["noise_reduction"] == {"type": "far_field"}
    assert session["audio"]["input"]["transcription"] == {
        "model": "gpt-transcribe",
        "keywords": ("Callfleet",),
        "language": "de",
    }
    assert session["audio"]["output"]["speed"] == 1.1
    assert session["reasoning"] == {"effort": "low"}
    assert session["max_output_tokens"] == "inf"
    assert session["truncation"] == {"type": "retention_ratio", "retention_ratio": 0.8}


def test_the_silence_that_ends_a_turn_is_stated_wherever_the_detection_comes_from() -> None:
    own = {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.3}}}}
    session = session_settings(agent(session=own, turn_detection=None), PCMU)
    detection = session["audio"]["input"]["turn_detection"]
    assert detection == {"type": "server_vad", "threshold": 0.3, "silence_duration_ms": 500}


def test_a_budget_and_a_price_follow_the_agent() -> None:
    one = agent(model="my-deployment", priced_as="gpt-realtime-2.1-mini", budget_usd=0.25)
    found = manner_of(one, session_settings(one, PCMU), date(2026, 11, 20))
    assert found.budget_micro_usd == 250_000
    assert found.tariff.voice is not None
    assert found.tariff.voice.models == ("gpt-realtime-2.1-mini",)
    assert found.tariff.transcription is not None


def manner(**fields: Any) -> tuple[bool, bool, bool]:
    one = agent(**fields)
    found = manner_of(one, session_settings(one, PCMU), date(2026, 11, 20))
    return found.answers_itself, found.interruptible, found.transcribed


def test_manners_follow_from_the_settings() -> None:
    gated = {"type": "server_vad", "create_response": False, "interrupt_response": False}
    assert manner() == (True, True, True)
    assert manner(transcription=None) == (True, True, False)
    assert manner(turn_detection=gated) == (False, False, True)
    assert manner(turn_detection=None) == (False, True, True)
    assert manner(session={"audio": {"input": {"turn_detection": gated}}}) == (False, False, True)
