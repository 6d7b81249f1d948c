"""callfleet.yaml as a team writes it, read into what the services receive."""

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped] # it ships no types
import msgspec
import pytest
import yaml

from callfleet.config import (
    PRESETS,
    Agent,
    BuiltinTool,
    Config,
    HttpTool,
    PythonTool,
    Queue,
    json_schema,
    load_config,
    resolved_turn_detection,
    tool_name,
)
from callfleet.config_model import DEFAULT_SORRY
from callfleet.errors import ConfigFault

EXAMPLES = Path(__file__).parents[3] / "examples"

DESIGN = """
orgs:
  main: {api_key_env: OPENAI_API_KEY, sessions: 100, queue: {max_waiting: 50, max_wait_s: 30}}
agents:
  receptionist:
    org: main
    sessions: 40                  # optional cap of its own
    vertical: healthcare
    model: gpt-realtime-2.1
    voice: marin
    greeting: Thanks for calling Acme Clinic.
    instructions: You are a friendly receptionist ...
    turn_detection: phone_line
    tools:
      - end_call
      - {builtin: transfer_call, options: {to: "+15550100200"}}
      - name: find_slot
        description: Finds a free appointment.
        url: https://clinic.example/slots
        method: GET
        headers: {Authorization: "Bearer ${CLINIC_TOKEN}"}
        parameters: {type: object, properties: {day: {type: string}}, required: [day]}
        timeout_s: 5
      - {python: "clinic.tools:Insurance.check", timeout_s: 3}
    handoffs: [billing]
    overflow: {dial: "+15550100100"}
    analysis: {fields: {symptom: {type: string}}}
    session: {reasoning: {effort: low}}
  billing: {instructions: You know about bills.}
numbers:
  "+15551230000": receptionist
"""


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(DESIGN)


def test_the_designs_own_example_is_read(config: Config) -> None:
    receptionist = config.agents["receptionist"]
    assert receptionist.name == "receptionist"
    assert (receptionist.org, receptionist.sessions) == ("main", 40)
    assert receptionist.overflow.dial == "+15550100100"
    assert receptionist.handoffs == ("billing",)
    assert msgspec.to_builtins(receptionist.session) == {"reasoning": {"effort": "low"}}
    assert config.orgs["main"].name == "main"
    assert config.orgs["main"].queue == Queue(max_waiting=50, max_wait_s=30.0)


def test_what_is_left_out_has_its_default(config: Config) -> None:
    billing = config.agents["billing"]
    assert billing.org == "main"  # the only one there is
    assert (billing.model, billing.voice) == ("gpt-realtime-2.1", "marin")
    assert billing.greeting is None
    assert billing.overflow.say == DEFAULT_SORRY
    assert billing.transcription == "gpt-transcribe"
    assert billing.analysis.enabled


def test_a_number_finds_its_agent(config: Config) -> None:
    found = config.agent_for("+15551230000")
    assert found is config.agents["receptionist"]
    assert config.agent_for("+15559999999") is None


def test_a_tools_kind_is_plain_from_its_keys(config: Config) -> None:
    bare, builtin, http, python = config.agents["receptionist"].tools
    assert bare == BuiltinTool(builtin="end_call")
    assert isinstance(builtin, BuiltinTool)
    assert builtin.options == {"to": "+15550100200"}
    assert isinstance(http, HttpTool)
    assert (http.method, http.timeout_s) == ("GET", 5.0)
    assert isinstance(python, PythonTool)
    assert [tool_name(tool) for tool in (bare, http, python)] == [
        "end_call",
        "find_slot",
        "Insurance.check",
    ]


def test_a_config_cannot_be_changed_by_who_receives_it(config: Config) -> None:
    with pytest.raises(AttributeError, match="immutable"):
        config.orgs["main"].sessions = 5  # type: ignore[misc] # the point of the test


def agent(**fields: object) -> Agent:
    return msgspec.convert({"instructions": "x", **fields}, Agent)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_preset_is_the_apis_own_object(preset: str) -> None:
    resolved = resolved_turn_detection(agent(turn_detection=preset))
    assert resolved is not None
    assert resolved["type"] == "server_vad"
    assert 200 < resolved["silence_duration_ms"] <= 1000
    assert resolved["create_response"]
    assert resolved["interrupt_response"]
    # Whoever receives it may change it; the preset stays.
    resolved["threshold"] = 9
    assert PRESETS[preset]["threshold"] != 9


def test_the_silence_that_ends_a_turn_is_always_stated() -> None:
    written = {"type": "server_vad", "threshold": 0.4}
    assert resolved_turn_detection(agent(turn_detection=written)) == {
        "type": "server_vad",
        "threshold": 0.4,
        "silence_duration_ms": 500,
    }
    own = {"type": "server_vad", "silence_duration_ms": 900}
    assert resolved_turn_detection(agent(turn_detection=own)) == own


def test_semantic_detection_and_push_to_talk_pass_unchanged() -> None:
    semantic = {"type": "semantic_vad", "eagerness": "low"}
    assert resolved_turn_detection(agent(turn_detection=semantic)) == semantic
    assert resolved_turn_detection(agent(turn_detection=None)) is None


def test_null_in_the_file_is_push_to_talk() -> None:
    text = "orgs: {m: {sessions: 1}}\nagents: {a: {instructions: x, turn_detection: null}}"
    assert load_config(text).agents["a"].turn_detection is None


def test_yaml_anchors_and_merges_work() -> None:
    text = """
orgs: {m: {sessions: 1}}
agents:
  one: &shared {instructions: x, voice: cedar}
  two: {<<: *shared, instructions: y}
"""
    read = load_config(text)
    assert (read.agents["two"].voice, read.agents["two"].instructions) == ("cedar", "y")


def test_the_shipped_example_is_good() -> None:
    read = load_config((EXAMPLES / "callfleet.yaml").read_text())
    assert len(read.agents) == 3
    assert {one.vertical for one in read.agents.values()} == {"healthcare", "real_estate", "beauty"}
    assert list(read.numbers) == ["+15551230001", "+15551230002", "+15551230003"]


def test_the_shipped_schema_is_the_generated_one() -> None:
    """Regenerate it: callfleet config schema > examples/callfleet.schema.json"""
    shipped = json.loads((EXAMPLES / "callfleet.schema.json").read_text())
    assert shipped == json_schema()


@pytest.mark.parametrize("text", [DESIGN, (EXAMPLES / "callfleet.yaml").read_text()])
def test_an_editor_agrees_with_us_about_a_good_file(text: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.Draft202012Validator(json_schema()).validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "change",
    ["sessions: 0", "voise: marin", "turn_detection: phone_lin", "tools: [hang_up]", "model: 3"],
)
def test_an_editor_agrees_with_us_about_a_bad_one(change: str) -> None:
    text = f"orgs: {{m: {{sessions: 1}}}}\nagents: {{a: {{instructions: x, {change}}}}}"
    with pytest.raises(ConfigFault):
        load_config(text)
    assert not jsonschema.Draft202012Validator(json_schema()).is_valid(yaml.safe_load(text))
