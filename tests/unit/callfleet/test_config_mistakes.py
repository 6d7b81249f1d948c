"""A wrong file is refused whole, and every mistake is told at once, with path and line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callfleet.config import load_config
from callfleet.errors import ConfigFault

GOOD = "orgs: {main: {sessions: 3}}\nagents: {a: {instructions: x}, b: {instructions: y}}\n"


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigFault) as caught:
        load_config(text)
    return caught.value.mistakes


def with_agent(fields: str) -> str:
    return f"orgs: {{main: {{sessions: 3}}}}\nagents:\n  a: {{instructions: x, {fields}}}\n"


def only(text: str) -> str:
    (mistake,) = mistakes(text)
    return mistake


def test_every_mistake_is_told_at_once_in_the_order_of_the_file() -> None:
    text = """\
orgs:
  main: {sessions: many, qeue: {}}
agents:
  receptionist:
    org: mian
    voice: marine
    instructions: ""
    tools:
      - end_call
      - {url: https://x.example, name: a, description: d}
      - {url: ftp://x, name: find slot, description: d, timeout_s: 0}
    overflow: {say: Sorry., busy: true}
numbers:
  "+15551230001": receptionst
"""
    assert mistakes(text) == [
        "orgs.main.qeue: unknown key, did you mean queue? (line 2)",
        "orgs.main.sessions: must be a whole number, not text (line 2)",
        "agents.receptionist.org: unknown org 'mian', did you mean main? (line 5)",
        "agents.receptionist.voice: unknown voice 'marine', did you mean marin? (line 6)",
        "agents.receptionist.instructions: must not be empty (line 7)",
        "agents.receptionist.tools[2].name: must look like ^[A-Za-z0-9_-]{1,64}$ (line 11)",
        "agents.receptionist.tools[2].timeout_s: must be more than 0.0 (line 11)",
        "agents.receptionist.tools[2].url: must be an https:// address (line 11)",
        "agents.receptionist.overflow: must be exactly one of dial, say, busy, call_back:"
        " has say and busy (line 12)",
        "numbers.\"+15551230001\": unknown agent 'receptionst', did you mean receptionist?"
        " (line 14)",
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("handoffs: [a]", "agents.a.handoffs[0]: hands off to itself"),
        ("handoffs: [c]", "agents.a.handoffs[0]: unknown agent 'c', known: a"),
        ("handoffs: a", "agents.a.handoffs: must be a list, not text"),
        (
            "overflow: {}",
            "agents.a.overflow: must be exactly one of dial, say, busy, call_back: says none",
        ),
        ("overflow: {dial: '5550100'}", "agents.a.overflow.dial: is not a phone number in E.164"),
        ("language: english", "agents.a.language: must look like ^[a-z]{2}$"),
        ("language: no", "agents.a.language: must be text or null, not true or false"),
        ("sessions: 2.5", "agents.a.sessions: must be a whole number or null, not a number"),
        ("sessions: 0", "agents.a.sessions: must be at least 1"),
        ("session: [1]", "agents.a.session: must be a mapping, not a list"),
        ("tools: [end_cal]", "agents.a.tools[0].builtin: is not a known value (one of end_call,"),
        ("tools: [7]", "agents.a.tools[0]: must be a mapping or a built-in tool's name"),
        ("tools: [{}]", "agents.a.tools[0]: needs one of url, python, builtin"),
        ("tools: [{kind: soap}]", "agents.a.tools[0].kind: must be one of http, python, builtin"),
        (
            "tools: [{url: 'https://x', python: 'a:b'}]",
            "agents.a.tools[0]: is it http or python? only one can be",
        ),
        ("tools: [{python: a.b}]", "agents.a.tools[0].python: must look like package.module:func"),
        ("tools: [end_call, end_call]", "agents.a.tools[1]: a tool named end_call is listed"),
        (
            "tools: [{python: 'a:b', parameters: {type: objekt}}]",
            "agents.a.tools[0].parameters.type: is no JSON Schema type",
        ),
        (
            "tools: [{python: 'a:b', parameters: {required: [day], properties: {}}}]",
            "agents.a.tools[0].parameters.required: names 'day', which is not in properties",
        ),
        ("analysis: {fields: {x: 3}}", "agents.a.analysis.fields.x: must be a mapping, not a whol"),
        ("turn_detection: phone", "agents.a.turn_detection: is not a known value"),
        ("turn_detection: {type: vad}", "agents.a.turn_detection.type: must be one of server_vad"),
        (
            "turn_detection: {type: server_vad, eagerness: low}",
            "agents.a.turn_detection.eagerness: unknown key for server_vad",
        ),
        (
            "turn_detection: {type: server_vad, threshold: 2}",
            "agents.a.turn_detection.threshold: must be at most 1.0",
        ),
        (
            "turn_detection: {type: server_vad, idle_timeout_ms: 100}",
            "agents.a.turn_detection.idle_timeout_ms: must be at least 5000",
        ),
        (
            "turn_detection: {type: semantic_vad, eagerness: greedy}",
            "agents.a.turn_detection.eagerness: is not a known value (one of low, medium,",
        ),
        (
            "turn_detection: {type: server_vad, create_response: 1}",
            "agents.a.turn_detection.create_response: must be true or false",
        ),
        ("transcription: gpt-live-transcribe", "agents.a.transcription: gpt-live-transcribe needs"),
        ("name: other", "agents.a.name: unknown key"),
    ],
)
def test_a_mistake_in_an_agent_is_named(fields: str, expected: str) -> None:
    told = only(with_agent(fields))
    assert told.startswith(expected)
    assert told.endswith("(line 3)")


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ('numbers: {"555": a}', 'numbers."555": is not a phone number in E.164 form'),
        ("numbers: {+15551230001: a}", 'numbers."15551230001": put the number in quotes: "+1'),
        ('numbers: {"+15551230001": 3}', 'numbers."+15551230001": must be text, not a whole'),
        ("agent: {}", "agent: unknown key, did you mean agents?"),
    ],
)
def test_a_mistake_beside_the_agents_is_named(extra: str, expected: str) -> None:
    assert only(GOOD + extra).startswith(expected)


def test_a_key_pasted_into_the_file_is_not_repeated_in_the_mistake() -> None:
    text = (
        "orgs: {main: {sessions: 3, api_key_env: sk-live-123456}}\nagents: {a: {instructions: x}}"
    )
    told = only(text)
    assert told.startswith("orgs.main.api_key_env: must be the name of an environment variable")
    assert "sk-live" not in told


def test_a_reserve_leaves_something_for_new_calls() -> None:
    text = "orgs: {main: {sessions: 3, reserve: 3}}\nagents: {a: {instructions: x}}"
    assert only(text) == "orgs.main.reserve: must be less than sessions (3) (line 1)"


def test_names_that_would_break_keys_and_labels_are_refused() -> None:
    text = 'orgs: {"my org": {sessions: 3}}\nagents: {"{a}": {instructions: x}}'
    assert [told.split(":")[0] for told in mistakes(text)] == ['orgs."my org"', 'agents."{a}"']


def test_with_two_orgs_an_agent_must_choose() -> None:
    text = "orgs: {one: {sessions: 1}, two: {sessions: 1}}\nagents: {a: {instructions: x}}"
    assert only(text) == "agents.a.org: is required (one of one, two) (line 2)"


def test_a_key_written_twice_is_a_mistake_not_an_overwrite() -> None:
    text = "orgs:\n  m: {sessions: 1}\n  m: {sessions: 2}\nagents: {a: {instructions: x}}"
    assert only(text) == "orgs.m: is written twice, first on line 2 (line 3)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty"),
        ("a: [1,", "line 1, column 7: not YAML: while parsing a flow node"),
        ("orgs:\n\t- x", "line 2, column 1: not YAML: while scanning for the next token"),
        ("a: 1\n---\nb: 2", "line 2, column 1: not YAML: expected a single document"),
        ("a: !!python/name:os.system ''", "line 1, column 4: not YAML: could not determine"),
        ("\0", "not YAML: unacceptable character"),
    ],
)
def test_what_is_no_yaml_is_told_with_line_and_column(text: str, expected: str) -> None:
    assert only(text).startswith(expected)


@pytest.mark.parametrize("text", ["[]", "3", "orgs: 3", "orgs: {}\nagents: {}", "numbers: 3"])
def test_another_shape_altogether_is_told_not_crashed_on(text: str) -> None:
    assert any(told.startswith(("orgs:", "agents:")) for told in mistakes(text))


def test_a_file_that_refers_to_itself_ends() -> None:
    assert any("refers to itself" in told for told in mistakes("orgs: &x {m: *x}"))
    deep = "a: " + "[" * 60 + "]" * 60
    assert any("nested more than 50 deep" in told for told in mistakes(deep))


_KEYS = st.sampled_from(
    [
        *("orgs", "agents", "numbers", "main", "a", "b", "sessions", "org", "tools", "handoffs"),
        *("overflow", "queue", "url", '"x"', "{}", "1"),
    ]
)
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | _KEYS
_TREES = st.recursive(
    _LEAVES,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(_KEYS | _LEAVES, below, max_size=4),
    max_leaves=20,
)


@given(_TREES)
@settings(max_examples=100, deadline=None)
def test_no_tree_makes_it_fail_in_another_way(tree: object) -> None:
    import yaml

    text = yaml.safe_dump(tree, allow_unicode=True)
    try:
        load_config(text)
    except ConfigFault as fault:
        assert fault.mistakes
        assert len(set(fault.mistakes)) == len(fault.mistakes)


@given(st.text(alphabet="ab:{}[]&*!|>-?'\"# \n\t,<~0", max_size=40))
@settings(max_examples=200, deadline=None)
def test_no_text_makes_it_fail_in_another_way(text: str) -> None:
    with pytest.raises(ConfigFault):
        load_config(text)
