"""What may be asked, field by field, of `/v1/chat/completions` and `/v1/responses`.

Tables, not guesses: a parameter that is not in them is refused as unknown, one of the wrong type as
wrong, and one that the real API has but this stand-in cannot do is refused as such rather than
ignored, so that nothing passes here that was not looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from simulators.chat_errors import (
    bad,
    beyond,
    missing,
    out_of_range,
    unknown_parameter,
    unsupported,
    wrong_type,
    wrong_value,
)
from simulators.chat_models import Model, Models
from simulators.chat_schema import Schema, StrictRules, check_name

Body = Mapping[str, Any]

_TYPES: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "text": ((str,), "a string"),
    "flag": ((bool,), "a boolean"),
    "whole": ((int,), "an integer"),
    "number": ((int, float), "a decimal"),
    "object": ((dict,), "an object"),
    "list": ((list,), "an array of objects"),
    "any": ((str, dict, list, int, bool), "a value"),
}
_BOTH: Final = {
    "model": "text",
    "metadata": "object",
    "prompt_cache_key": "text",
    "safety_identifier": "text",
    "service_tier": "text",
    "store": "flag",
    "temperature": "number",
    "top_p": "number",
    "top_logprobs": "whole",
    "user": "text",
    "parallel_tool_calls": "flag",
    "stream": "flag",
}
COMPLETIONS: Final[Mapping[str, str]] = _BOTH | {
    "messages": "list",
    "frequency_penalty": "number",
    "presence_penalty": "number",
    "logit_bias": "object",
    "logprobs": "flag",
    "max_completion_tokens": "whole",
    "max_tokens": "whole",
    "n": "whole",
    "reasoning_effort": "text",
    "response_format": "object",
    "seed": "whole",
    "stop": "any",
    "verbosity": "text",
}
RESPONSES: Final[Mapping[str, str]] = _BOTH | {
    "input": "any",
    "instructions": "text",
    "max_output_tokens": "whole",
    "reasoning": "object",
    "text": "object",
    "truncation": "text",
}
# Real, and not to be had here.
_BEYOND: Final = frozenset(
    {
        *("audio", "functions", "function_call", "modalities", "prediction", "stream_options"),
        *("tools", "tool_choice", "web_search_options", "background", "conversation", "include"),
        *("previous_response_id", "prompt", "max_tool_calls", "context_management", "moderation"),
    }
)
_RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "top_logprobs": (0, 20),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
    "max_completion_tokens": (1, 1 << 30),
    "max_tokens": (1, 1 << 30),
    "max_output_tokens": (16, 1 << 30),
    "n": (1, 128),
}
_CHOICES: Final = {
    "service_tier": ("auto", "default", "flex", "priority", "scale"),
    "truncation": ("auto", "disabled"),
    "reasoning_effort": ("none", "minimal", "low", "medium", "high", "xhigh"),
    "verbosity": ("low", "medium", "high"),
}
_NOT_WHEN_REASONING: Final = (
    *("temperature", "top_p", "top_logprobs", "logprobs"),
    *("frequency_penalty", "presence_penalty"),
)
_ONLY_WHEN_REASONING: Final = ("reasoning_effort", "verbosity")
_ROLES: Final = ("developer", "system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Question:
    """A request that passed."""

    model: Model
    rules: str  # what developer and system said
    said: tuple[str, ...]  # what user messages hold: the data
    schema: Schema | None  # of the answer, when one was given
    limit: int | None  # of output tokens
    store: bool
    body: Body

    @property
    def text(self) -> str:
        return "\n".join((self.rules, *self.said))


def read_completion(body: Body, models: Models) -> Question:
    model = _parameters(body, COMPLETIONS, models)
    if "messages" not in body:
        raise missing("messages")
    if not body["messages"]:
        message = "Invalid 'messages': empty array. Expected an array with minimum length 1."
        raise bad(message, "messages", "empty_array")
    if "max_tokens" in body and model.reasons:
        raise unsupported("max_tokens", " Use 'max_completion_tokens' instead.")
    if "max_tokens" in body and "max_completion_tokens" in body:
        raise bad("Setting 'max_tokens' and 'max_completion_tokens' at the same time", "max_tokens")
    rules, said = _messages(body["messages"], "messages", ("text",))
    form = body.get("response_format")
    schema = None
    if form is not None:
        nested = form.get("json_schema") if form.get("type") == "json_schema" else {}
        if nested is None:
            raise missing("response_format.json_schema")
        _only(form, ("type", "json_schema"), "response_format")
        schema = _format({**nested, "type": form.get("type")}, "response_format", ".json_schema")
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    return Question(model, rules, said, schema, limit, bool(body.get("store", False)), body)


def read_response(body: Body, models: Models) -> Question:
    model = _parameters(body, RESPONSES, models)
    given = body.get("input")
    if given is None:
        raise missing("input")
    said: tuple[str, ...]
    if isinstance(given, str):
        rules, said = "", (given,)
    elif isinstance(given, list):
        rules, said = _messages(given, "input", ("input_text", "output_text"))
    else:
        raise wrong_type("input", "one of a string or an array of objects", given)
    rules = "\n".join(filter(None, (body.get("instructions") or "", rules)))
    text = body.get("text") or {}
    _only(text, ("format", "verbosity"), "text")
    schema = _format(text["format"], "text.format", "") if "format" in text else None
    reasoning = body.get("reasoning") or {}
    _only(reasoning, ("effort", "summary"), "reasoning")
    if reasoning and not model.reasons:
        raise unsupported(f"reasoning.{next(iter(reasoning))}")
    limit = body.get("max_output_tokens")
    return Question(model, rules, said, schema, limit, bool(body.get("store", True)), body)


def _parameters(body: Body, known: Mapping[str, str], models: Models) -> Model:
    for name, value in body.items():
        if name in _BEYOND:
            raise beyond(name)
        if name not in known:
            raise unknown_parameter(name)
        if value is not None:
            _value(name, value, known[name])
    if not body.get("model"):
        raise bad("you must provide a model parameter", None)
    if body.get("stream"):
        raise beyond("stream")
    if (body.get("n") or 1) > 1:
        raise beyond("n")
    model = models.find(body["model"])
    for name in _NOT_WHEN_REASONING if model.reasons else _ONLY_WHEN_REASONING:
        if body.get(name) not in (None, 1):
            raise unsupported(name)
    return model


def _value(name: str, value: Any, kind: str) -> None:
    types, wanted = _TYPES[kind]
    if type(value) not in types:  # exactly: to Python, a boolean would be an integer too
        raise wrong_type(name, wanted, value)
    if name in _RANGES:
        low, high = _RANGES[name]
        if value < low:
            raise out_of_range(name, f"greater than or equal to {low}", value)
        if value > high:
            raise out_of_range(name, f"less than or equal to {high}", value)
    if name in _CHOICES and value not in _CHOICES[name]:
        raise wrong_value(name, value, ", ".join(f"'{each}'" for each in _CHOICES[name]))
    if name == "metadata":
        _metadata(value)


def _metadata(metadata: Body) -> None:
    if len(metadata) > 16:
        raise bad(
            "Invalid 'metadata': too many properties.", "metadata", "object_above_max_properties"
        )
    for key, value in metadata.items():
        if not isinstance(value, str):
            raise wrong_type(f"metadata.{key}", "a string", value)
        if len(key) > 64 or len(value) > 512:
            raise bad("Invalid 'metadata': string too long.", "metadata", "string_above_max_length")


def _only(given: Body, known: tuple[str, ...], path: str) -> None:
    for name in given:
        if name not in known:
            raise unknown_parameter(f"{path}.{name}")


def _messages(
    messages: list[Any], path: str, part_types: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    rules, said = [], []
    for i, message in enumerate(messages):
        where = f"{path}[{i}]"
        if not isinstance(message, dict):
            raise wrong_type(where, "an object", message)
        _only(message, ("role", "content", "name", "type", "id", "status"), where)
        role = message.get("role")
        if role not in _ROLES:
            raise wrong_value(f"{where}.role", role, ", ".join(f"'{each}'" for each in _ROLES))
        text = _content(message.get("content"), f"{where}.content", part_types)
        if role == "user":
            said.append(text)
        elif role != "assistant":
            rules.append(text)
    return "\n".join(rules), tuple(said)


def _content(content: Any, where: str, part_types: tuple[str, ...]) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise wrong_type(where, "one of a string or array of objects", content)
    texts = []
    for i, part in enumerate(content):
        _only(part, ("type", "text"), f"{where}[{i}]")
        if part.get("type") not in part_types:
            allowed = ", ".join(f"'{each}'" for each in part_types)
            raise wrong_value(f"{where}[{i}].type", part.get("type"), allowed)
        texts.append(str(part["text"]))
    return "\n".join(texts)


def _format(form: Body, path: str, nested: str) -> Schema | None:
    """The answer's schema, checked by strict mode's rules; nothing for free text."""
    kind = form.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        raise wrong_value(f"{path}.type", kind, "'json_object', 'json_schema', and 'text'")
    if kind != "json_schema":
        return None
    _only(form, ("type", "name", "description", "schema", "strict"), path + nested)
    for name in ("name", "schema"):
        if form.get(name) is None:
            raise missing(f"{path}{nested}.{name}")
    check_name(form["name"], f"{path}{nested}.name")
    schema: Schema = form["schema"]
    if form.get("strict") is not True:
        raise beyond(f"{path}{nested}.strict = false")
    param = path if nested else f"{path}.schema"  # as the two endpoints name it
    StrictRules(form["name"], param, schema).check()
    return schema
