"""A `session:` block: strict about today's fields, forgiving about the beta's, warning in time."""

from typing import Any

import msgspec
import pytest
import yaml

from callfleet.config import Agent, load_config
from callfleet.errors import ConfigFault

TUTORIAL = """
type: session.update
session:
  modalities: [text, audio]
  instructions: You are a bubbly assistant.
  voice: alloy
  input_audio_format: g711_ulaw
  output_audio_format: g711_ulaw
  input_audio_transcription: {model: whisper-1}
  turn_detection: {type: server_vad, threshold: 0.5, silence_duration_ms: 700}
  temperature: 0.8
  max_response_output_tokens: 300
"""


def loaded(session: Any, **fields: Any) -> tuple[Agent, list[str]]:
    """The agent, and what it was warned of, without the path that is always the same."""
    tree = {
        "orgs": {"main": {"sessions": 1}},
        "agents": {"a": {"instructions": "x", **fields, "session": session}},
    }
    config = load_config(yaml.safe_dump(tree, sort_keys=False))
    return config.agents["a"], [told.partition(" (line")[0] for told in config.warnings]


def session_of(agent: Agent) -> Any:
    return msgspec.json.decode(msgspec.json.encode(agent.session))


def mistakes(session: Any, **fields: Any) -> list[str]:
    with pytest.raises(ConfigFault) as caught:
        loaded(session, **fields)
    return [told.partition(" (line")[0] for told in caught.value.mistakes]


def test_a_tutorials_session_update_works_and_every_old_key_is_named() -> None:
    tree = {
        "orgs": {"main": {"sessions": 1}},
        "agents": {"a": {"session": yaml.safe_load(TUTORIAL)}},
    }
    config = load_config(yaml.safe_dump(tree, sort_keys=False))
    agent = config.agents["a"]
    assert agent.instructions == "You are a bubbly assistant."
    assert session_of(agent) == {
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "transcription": {"model": "whisper-1"},
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "silence_duration_ms": 700,
                },
            },
            "output": {"voice": "alloy"},
        },
        "max_output_tokens": 300,
    }
    at = "agents.a.session"
    leg = "and is left out: each call's leg decides it"
    told = sorted(each.partition(" (line")[0] for each in config.warnings)
    assert told == sorted(
        [
            f"{at}: is a whole session.update event: what is under its `session` belongs here",
            f"{at}.temperature: is left out: the API has no temperature any more",
            f"{at}.input_audio_format: is called audio.input.format now, {leg}",
            f"{at}.output_audio_format: is called audio.output.format now, {leg}",
            f"{at}.modalities: is called output_modalities now",
            f"{at}.voice: is called audio.output.voice now",
            f"{at}.input_audio_transcription: is called audio.input.transcription now",
            f"{at}.turn_detection: is called audio.input.turn_detection now",
            f"{at}.max_response_output_tokens: is called max_output_tokens now",
            f"{at}.instructions: is the agent's own `instructions`: write it there",
            f"{at}.audio.input.transcription: whisper-1 is shut down on 2027-02-26:"
            " use gpt-transcribe",
        ]
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"speed": 1.2}, {"audio": {"output": {"speed": 1.2}}}),
        (
            {"input_audio_noise_reduction": {"type": "far_field"}},
            {"audio": {"input": {"noise_reduction": {"type": "far_field"}}}},
        ),
        ({"turn_detection": None}, {"audio": {"input": {"turn_detection": None}}}),
        (
            {"voice": "ash", "audio": {"input": {"transcription": None}}},
            {"audio": {"input": {"transcription": None}, "output": {"voice": "ash"}}},
        ),
        ({"prompt": {"id": "pmpt_1"}}, {}),
        ({"tools": [], "tool_choice": "none"}, {"tools": [], "tool_choice": "none"}),
    ],
)
def test_each_old_key_has_a_new_place(old: Any, new: Any) -> None:
    assert session_of(loaded(old)[0]) == new


def test_what_is_there_under_its_new_name_wins() -> None:
    agent, told = loaded({"voice": "ash", "audio": {"output": {"voice": "cedar"}}})
    assert session_of(agent) == {"audio": {"output": {"voice": "cedar"}}}
    assert told == [
        "agents.a.session.voice: is left out: it is called audio.output.voice now, which is there"
        " too"
    ]


def test_a_model_belongs_to_the_agent() -> None:
    agent, told = loaded({"model": "gpt-realtime-2.1-mini"})
    assert agent.model == "gpt-realtime-2.1-mini"
    assert told == ["agents.a.session.model: is the agent's own `model`: write it there"]
    loaded({"model": "gpt-realtime-2"}, model="gpt-realtime-2")  # said twice, the same
    (mistake,) = mistakes({"model": "gpt-realtime-2"}, model="gpt-realtime-2.1")
    assert mistake == (
        "agents.a.session.model: the agent's own `model` is gpt-realtime-2.1: only one can be"
    )


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        ({"max_tokens": 3}, ".max_tokens: unknown key, did you mean max_output_tokens?"),
        ({"audio": {"inptu": {}}}, ".audio.inptu: unknown key, did you mean input?"),
        ({"audio": {"input": {"turn_detection": {"type": "vad"}}}},
         ".audio.input.turn_detection.type: must be one of server_vad, semantic_vad"),
        ({"audio": {"input": {"turn_detection": {"type": "semantic_vad", "threshold": 1}}}},
         ".audio.input.turn_detection.threshold: unknown key for semantic_vad"),
        ({"audio": {"output": {"voice": "marine"}}},
         ".audio.output.voice: unknown voice 'marine', did you mean marin?"),
        ({"audio": {"output": {"voice": {"id": "x"}}}},
         ".audio.output.voice.id: a custom voice's id begins with voice_"),
        ({"audio": {"output": {"speed": 2}}}, ".audio.output.speed: must be at most 1.5"),
        ({"output_modalities": ["text"]}, ".output_modalities[0]: is not a known value"),
        ({"modalities": ["text"]}, ".output_modalities[0]: is not a known value"),
        ({"input_audio_format": "ulaw"},
         ".input_audio_format: is no audio format of the beta, did you mean g711_ulaw?"),
        ({"max_output_tokens": 5000}, ".max_output_tokens: must be at most 4096"),
        ({"truncation": {"type": "retention_ratio"}},
         ".truncation.retention_ratio: is required"),
        ({"tools": [{"type": "mcp", "server_label": "s"}]},
         ".tools[0]: needs exactly one of server_url, connector_id, tunnel_id"),
        ({"tools": [{"type": "function", "name": "a b"}]}, ".tools[0].name: must look like"),
        ({"tool_choice": {"type": "function"}}, ".tool_choice.name: is required"),
        ({"audio": {"input": {"transcription": {"model": "gpt-live-transcribe"}}}},
         ".audio.input.transcription: gpt-live-transcribe needs turn_detection: null"),
        ({"audio": {"input": {"transcription": {"model": "whisper-1", "keywords": ["a"]}}}},
         ".audio.input.transcription.keywords: is only for gpt-transcribe and"),
        ({"type": "transcription"}, ".type: is not a known value"),
        ({"audio": 3}, ".audio: must be a mapping"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_session_is_a_mistake_of_the_file(session: Any, expected: str) -> None:
    (mistake,) = mistakes(session)
    assert mistake.startswith(f"agents.a.session{expected}")


def test_models_that_do_not_reason_are_not_told_to() -> None:
    assert mistakes({}, model="gpt-realtime-1.5", reasoning="low") == [
        "agents.a.reasoning: gpt-realtime-1.5 does not reason"
    ]
    assert mistakes({"reasoning": {"effort": "low"}}, model="gpt-realtime-mini-2025-12-15") == [
        "agents.a.session.reasoning: gpt-realtime-mini-2025-12-15 does not reason"
    ]
    loaded({"reasoning": {"effort": "low"}}, model="a-deployment-of-ours")


def test_a_budget_needs_a_price() -> None:
    assert mistakes({}, model="a-deployment", budget_usd=1) == [
        "agents.a.budget_usd: the price of a-deployment is not known, so no budget can be kept:"
        " set `priced_as`"
    ]
    loaded({}, model="a-deployment", priced_as="gpt-realtime-2.1", budget_usd=1)
    (wrong,) = mistakes({}, priced_as="gpt-realtime-9")
    assert wrong.startswith("agents.a.priced_as: unknown model 'gpt-realtime-9', did you mean gpt")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"model": "gpt-realtime"}, "gpt-realtime is shut down on 2027-01-20"),
        ({"model": "gpt-realtime-mini-2025-10-06"}, "use gpt-realtime-2.1-mini"),
        ({"model": "gpt-4o-realtime-preview-2024-12-17"}, "is shut down on 2026-05-12"),
        ({"transcription": "gpt-4o-mini-transcribe"}, "is shut down on 2027-02-26"),
        ({"transcription": {"model": "whisper-1"}}, "use gpt-transcribe"),
    ],
)
def test_models_about_to_go_are_warned_of(fields: dict[str, Any], told: str) -> None:
    (warning,) = loaded({}, **fields)[1]
    assert told in warning


def test_models_that_stay_are_not() -> None:
    for model in ("gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-realtime-1.5", "ours"):
        assert loaded({}, model=model)[1] == []
