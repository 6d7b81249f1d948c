"""Pieces from which the Realtime API's rules are built: each looks at one value and refuses it.

They answer as the real API does, naming the code and the path of the field. Written by hand, for
the simulator must not share the types of the client it judges.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Check = Callable[[Any, str], None]


class Refusal(Exception):
    """Why the API would not accept a client event.

    `violation` tells a client that is wrong from one that lost a race, such as cancelling too late.
    """

    def __init__(
        self, code: str, message: str, param: str | None = None, *, violation: bool = True
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.violation = violation


def _kind(value: Any) -> str:
    names = {bool: "a boolean", int: "an integer", float: "a decimal", str: "a string"}
    names |= {list: "an array", dict: "an object", type(None): "null"}
    return names.get(type(value), "something else")


def _wrong_type(param: str, expected: str, value: Any) -> Refusal:
    message = f"Invalid type for '{param}': expected {expected}, but got {_kind(value)} instead."
    return Refusal("invalid_type", message, param)


def _unsupported(param: str, value: Any, supported: Sequence[Any]) -> Refusal:
    values = ", ".join(repr(each) for each in supported)
    message = f"Invalid value: {value!r}. Supported values are: {values}."
    return Refusal("invalid_value", message, param)


def text(*, at_most: int | None = None) -> Check:
    def check(value: Any, param: str) -> None:
        if not isinstance(value, str):
            raise _wrong_type(param, "a string", value)
        if at_most is not None and len(value) > at_most:
            message = f"Invalid '{param}': string too long. Expected at most {at_most} characters."
            raise Refusal("string_above_max_length", message, param)

    return check


def one_of(*values: str) -> Check:
    def check(value: Any, param: str) -> None:
        if not isinstance(value, str):
            raise _wrong_type(param, "a string", value)
        if value not in values:
            raise _unsupported(param, value, values)

    return check


def number(low: float, high: float) -> Check:
    def check(value: Any, param: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong_type(param, "a decimal", value)
        _within(value, low, high, param)

    return check


def whole(low: int, high: int) -> Check:
    def check(value: Any, param: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong_type(param, "an integer", value)
        _within(value, low, high, param)

    return check


def _within(value: float, low: float, high: float, param: str) -> None:
    for wrong, word, limit in ((value < low, ">=", low), (value > high, "<=", high)):
        if wrong:
            message = (
                f"Invalid '{param}': expected a value {word} {limit}, but got {value} instead."
            )
            raise Refusal("invalid_value", message, param)


def flag(value: Any, param: str) -> None:
    if not isinstance(value, bool):
        raise _wrong_type(param, "a boolean", value)


def anything(value: Any, param: str) -> None:
    """A field whose content the API passes on unread."""


def free_object(value: Any, param: str) -> None:
    if not isinstance(value, dict):
        raise _wrong_type(param, "an object", value)


def null_or(check: Check) -> Check:
    def checked(value: Any, param: str) -> None:
        if value is not None:
            check(value, param)

    return checked


def rows(check: Check, *, at_least: int = 0, at_most: int = 4096) -> Check:
    def checked(value: Any, param: str) -> None:
        if not isinstance(value, list):
            raise _wrong_type(param, "an array", value)
        if not at_least <= len(value) <= at_most:
            message = f"Invalid '{param}': expected {at_least} to {at_most} elements."
            raise Refusal("invalid_value", message, param)
        for index, each in enumerate(value):
            check(each, f"{param}[{index}]")

    return checked


def exactly(*values: list[str]) -> Check:
    """One of a few whole lists, such as `["audio"]`."""

    def check(value: Any, param: str) -> None:
        if not isinstance(value, list):
            raise _wrong_type(param, "an array", value)
        if value not in values:
            raise _unsupported(param, value, values)

    return check


def record(fields: Mapping[str, Check], *, required: Sequence[str] = ()) -> Check:
    """An object with these fields, no others, and the required ones present."""

    def check(value: Any, param: str) -> None:
        if not isinstance(value, dict):
            raise _wrong_type(param, "an object", value)
        prefix = f"{param}." if param else ""
        for name, each in value.items():
            if name not in fields:
                path = f"{prefix}{name}"
                raise Refusal("unknown_parameter", f"Unknown parameter: '{path}'.", path)
            fields[name](each, f"{prefix}{name}")
        for name in required:
            if name not in value:
                path = f"{prefix}{name}"
                message = f"Missing required parameter: '{path}'."
                raise Refusal("missing_required_parameter", message, path)

    return check


def tagged(tag: str, variants: Mapping[str, Check]) -> Check:
    """An object whose field `tag` says which rules hold for it."""

    def check(value: Any, param: str) -> None:
        if not isinstance(value, dict):
            raise _wrong_type(param, "an object", value)
        path = f"{param}.{tag}" if param else tag
        if tag not in value:
            message = f"Missing required parameter: '{path}'."
            raise Refusal("missing_required_parameter", message, path)
        if not isinstance(value[tag], str):
            raise _wrong_type(path, "a string", value[tag])
        if value[tag] not in variants:
            raise _unsupported(path, value[tag], list(variants))
        variants[value[tag]](value, param)

    return check


def by_type(variants: Mapping[type, Check], expected: str) -> Check:
    """A field that may be, say, a word or an object."""

    def check(value: Any, param: str) -> None:
        variant = variants.get(type(value))
        if variant is None:
            raise _wrong_type(param, expected, value)
        variant(value, param)

    return check


def refuse(message: str) -> Check:
    def check(value: Any, param: str) -> None:
        raise Refusal("invalid_value", message, param)

    return check
