"""Whatever callfleet.yaml accepts, the API's own types accept: any block of any agent, strictly."""

import json
from typing import Any

import msgspec
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec import inspect

from callfleet.audio import PCMA, PCMU
from callfleet.config import Agent, load_config
from callfleet.config_session import Session
from callfleet.errors import ConfigFault
from services.worker.agents import session_settings
from services.worker.interpreter import Interpreter
from tests.realtime_conformance import check_client_event

_WORDS = ["a", "voice_1", "marin", "gpt-transcribe", "gpt-live-transcribe", "de"]


def values(kind: Any) -> st.SearchStrategy[Any]:
    """What the type lets through, as YAML would have it."""
    match kind:
        case inspect.StructType():
            return objects(kind)
        case inspect.UnionType(types=types):
            return st.one_of(*(values(each) for each in types))
        case inspect.LiteralType(values=words):
            return st.sampled_from(list(words))
        case inspect.VarTupleType(item_type=item):
            return st.lists(values(item), max_size=2)
        case inspect.DictType(key_type=inspect.StrType()):
            return st.dictionaries(st.sampled_from(_WORDS), st.sampled_from(_WORDS), max_size=1)
        case _:
            return scalars(kind)


def scalars(kind: Any) -> st.SearchStrategy[Any]:
    match kind:
        case inspect.IntType(ge=low, le=high):
            return st.integers(low or 0, high or 10_000)
        case inspect.FloatType(ge=low, le=high):
            return st.floats(low or 0, high or 9, allow_nan=False)
        case inspect.BoolType():
            return st.booleans()
        case inspect.StrType():
            return st.sampled_from(_WORDS)
        case inspect.NoneType():
            return st.none()
    raise AssertionError(kind)


def bare(kind: Any) -> Any:
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def objects(kind: inspect.StructType) -> st.SearchStrategy[dict[str, Any]]:
    fields = {field.name: values(bare(field.type)) for field in kind.fields}
    required = {field.name: fields.pop(field.name) for field in kind.fields if field.required}
    if kind.tag_field:
        required[kind.tag_field] = st.just(kind.tag)
    return st.fixed_dictionaries(required, optional=fields)


SESSIONS = values(inspect.type_info(Session))
AGENTS: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"instructions": st.just("Be kind.")},  # type: ignore[dict-item] # any value of YAML's
    optional={
        field.name: values(bare(field.type))
        for field in inspect.type_info(Agent).fields  # type: ignore[attr-defined] # a struct's
        if field.name
        in (
            *("turn_detection", "noise_reduction", "transcription", "language", "speed"),
            *("reasoning", "max_output_tokens", "truncation", "voice"),
        )
    },
)


@given(agent=AGENTS, session=SESSIONS, fmt=st.sampled_from([PCMU, PCMA]))
@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
def test_what_the_file_accepts_the_api_s_types_accept(agent: Any, session: Any, fmt: Any) -> None:
    tree = {"orgs": {"m": {"sessions": 1}}, "agents": {"a": {**agent, "session": session}}}
    try:
        config = load_config(yaml.safe_dump(tree))
    except ConfigFault:
        assume(False)
    update = Interpreter(fmt).settings(session_settings(config.agents["a"], fmt))
    check_client_event(json.loads(update))


def test_most_of_what_is_generated_is_accepted_so_that_the_test_says_something() -> None:
    accepted = []

    @given(session=SESSIONS)
    @settings(max_examples=100, deadline=None, database=None)
    def count(session: Any) -> None:
        one = {"instructions": "x", "session": session}
        tree = {"orgs": {"m": {"sessions": 1}}, "agents": {"a": one}}
        try:
            accepted.append(load_config(yaml.safe_dump(tree)).agents["a"].session)
        except ConfigFault:
            return

    count()
    assert len(accepted) > 20
    assert len({msgspec.json.encode(each) for each in accepted}) > 10
