"""What the scoring API refuses, with the code and the parameter it names."""

from typing import Any

import pytest

from simulators.chat_errors import ApiError
from simulators.chat_models import Models
from simulators.chat_requests import Question, read_completion, read_response


def refusal(read: Any, body: dict[str, Any]) -> tuple[int, Any, Any]:
    with pytest.raises(ApiError) as refused:
        read(body, Models())
    error = refused.value.body["error"]
    return refused.value.status, error["code"], error["param"]


RESPONSES: list[tuple[dict[str, Any], str, str]] = [
    ({"temprature": 1}, "unknown_parameter", "temprature"),
    ({"messages": []}, "unknown_parameter", "messages"),
    ({"temperature": "hot"}, "invalid_type", "temperature"),
    ({"temperature": 2.5}, "decimal_above_max_value", "temperature"),
    ({"store": "no"}, "invalid_type", "store"),
    ({"store": 1}, "invalid_type", "store"),
    ({"max_output_tokens": True}, "invalid_type", "max_output_tokens"),
    ({"text": {"format": {"type": "json_shema"}}}, "invalid_value", "text.format.type"),
    ({"text": {"formt": {}}}, "unknown_parameter", "text.formt"),
    ({"reasoning": {"effort": "low"}}, "unsupported_parameter", "reasoning.effort"),
    ({"model": "gpt-6-luna", "temperature": 0.2}, "unsupported_parameter", "temperature"),
    ({"metadata": {"call": 7}}, "invalid_type", "metadata.call"),
    ({"max_output_tokens": 1}, "integer_below_min_value", "max_output_tokens"),
    ({"service_tier": "first"}, "invalid_value", "service_tier"),
    ({"input": None}, "missing_required_parameter", "input"),
    ({"input": [{"role": "boss", "content": "x"}]}, "invalid_value", "input[0].role"),
    ({"input": [{"role": "user", "text": "x"}]}, "unknown_parameter", "input[0].text"),
    ({"tools": []}, "simulated", "tools"),
    ({"stream": True}, "simulated", "stream"),
]


@pytest.mark.parametrize(("change", "code", "param"), RESPONSES)
def test_responses_refuse(change: dict[str, Any], code: str, param: str) -> None:
    body = {"model": "gpt-4o-mini", "input": "hello"} | change
    assert refusal(read_response, body) == (400, code, param)


HELLO = [{"role": "user", "content": "hello"}]
COMPLETIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"input": "x"}, "unknown_parameter", "input"),
    ({"messages": []}, "empty_array", "messages"),
    ({"response_format": {"type": "json_schema"}}, "missing_required_parameter",
     "response_format.json_schema"),
    ({"response_format": {"type": "text", "schema": {}}}, "unknown_parameter",
     "response_format.schema"),
    ({"model": "gpt-6-luna", "max_tokens": 100}, "unsupported_parameter", "max_tokens"),
    ({"reasoning_effort": "low"}, "unsupported_parameter", "reasoning_effort"),
    ({"n": 2}, "simulated", "n"),
    ({"messages": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}]},
     "invalid_value", "messages[0].content[0].type"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "code", "param"), COMPLETIONS)
def test_completions_refuse(change: dict[str, Any], code: str, param: str) -> None:
    body = {"model": "gpt-4o-mini", "messages": HELLO} | change
    assert refusal(read_completion, body) == (400, code, param)


def test_an_unknown_model_is_not_found() -> None:
    body = {"model": "gpt-4o-maxi", "input": "hello"}
    assert refusal(read_response, body) == (404, "model_not_found", None)


def with_field(field: dict[str, Any], **changes: Any) -> dict[str, Any]:
    whole = {"type": "object", "properties": {"a": field}, "required": ["a"]}
    return whole | {"additionalProperties": False} | changes


def asked_with(schema: dict[str, Any], name: str = "verdict") -> dict[str, Any]:
    form = {"type": "json_schema", "name": name, "strict": True, "schema": schema}
    return {"model": "gpt-4o-mini", "input": "hello", "text": {"format": form}}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = with_field(schema)
    return schema


STRICT: list[tuple[dict[str, Any], str]] = [
    (with_field({"type": "string"}, additionalProperties=True), "additionalProperties"),
    (with_field({"type": "string"}, required=[]), "Missing 'a'"),
    (with_field({"type": "string"}, required=["a", "b"]), "Extra required key 'b'"),
    (with_field({"type": "string", "minLength": 3}), "'minLength' is not permitted"),
    (with_field({"type": "string", "default": "x"}), "'default' is not permitted"),
    (with_field({"type": "string", "minimum": 1}), "'minimum' is not permitted"),
    (with_field({"type": "string", "format": "colour"}), "not a valid format"),
    (with_field({"oneOf": [{"type": "null"}]}), "'type' key"),
    (with_field({"type": "string", "allOf": []}), "'allOf' is not permitted"),
    (with_field({"type": "string", "enum": []}), "must not be empty"),
    (with_field({"type": "array"}), "missing items"),
    (with_field({"type": "object", "properties": {}}), "additionalProperties"),
    (with_field({"type": "text"}), "not a valid type"),
    (with_field({"$ref": "#/$defs/Nobody"}), "reference"),
    (with_field({"$ref": "#/$defs/A"}) | {"$defs": {"A": {"$ref": "#/$defs/A"}}}, "reference"),
    (with_field({"$ref": "#", "description": "again"}), "cannot have keywords"),
    (nested(11), "levels of nesting"),
    ({"type": "array", "items": {"type": "string"}}, "'type: \"object\"'"),
]


@pytest.mark.parametrize(("schema", "why"), STRICT)
def test_strict_mode_refuses_what_it_cannot_promise(schema: dict[str, Any], why: str) -> None:
    with pytest.raises(ApiError, match="Invalid schema for response_format 'verdict'") as refused:
        read_response(asked_with(schema), Models())
    assert why in str(refused.value)
    assert refused.value.body["error"]["code"] == "invalid_json_schema"
    assert refused.value.body["error"]["param"] == "text.format.schema"


def test_strict_mode_takes_what_it_can_promise() -> None:
    schema = with_field({"type": ["integer", "null"], "minimum": 0, "multipleOf": 5})
    schema["properties"]["b"] = {"anyOf": [{"$ref": "#/$defs/Part"}, {"type": "null"}]}
    schema["properties"]["c"] = {"type": "array", "items": {"$ref": "#"}, "maxItems": 2}
    schema["required"] = ["a", "b", "c"]
    schema["$defs"] = {"Part": with_field({"type": "string", "enum": ["x"], "title": "A"})}
    question = read_response(asked_with(schema), Models())
    assert isinstance(question, Question)
    assert question.schema == schema
    assert question.store  # the API keeps what is not told otherwise


def test_a_schemas_name_must_be_a_name() -> None:
    schema = with_field({"type": "string"})
    told = refusal(read_response, asked_with(schema, name="call score"))
    assert told == (400, "invalid_value", "text.format.name")
