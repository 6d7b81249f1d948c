"""An agent's page in callfleet.yaml, as the API gets it."""

from datetime import date
from typing import Any

from callfleet.audio import PCM, PCMU
from callfleet.config import PRESETS, Agent
from services.worker.agents import manner_of, session_settings


def agent(**fields: Any) -> Agent:
    return Agent(name="receptionist", org="main", instructions="Be kind.", **fields)


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
        "model": "another",
        "max_output_tokens": 300,
        "audio": {
            "input": {"format": {"type": "audio/pcm"}, "noise_reduction": {"type": "far_field"}},
            "output": {"speed": 1.1},
        },
        "tools": [{"type": "function", "name": "lookup"}, {"type": "function", "name": "end_call"}],
    }
    session = session_settings(agent(session=extras), PCMU)
    assert "model" not in session
    assert session["max_output_tokens"] == 300
    assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert session["audio"]["input"]["noise_reduction"] == {"type": "far_field"}
    assert session["audio"]["input"]["turn_detection"] == PRESETS["phone_line"]
    assert session["audio"]["output"] == {
        "format": {"type": "audio/pcmu"},
        "voice": "marin",
        "speed": 1.1,
    }
    assert [tool["name"] for tool in session["tools"]] == ["end_call", "lookup"]
    assert extras["model"] == "another"  # what was configured is not touched


def test_a_custom_voice_and_a_language() -> None:
    session = session_settings(agent(voice="voice_123", language="de"), PCMU)
    assert session["audio"]["output"]["voice"] == {"id": "voice_123"}
    assert session["audio"]["input"]["transcription"]["language"] == "de"


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
