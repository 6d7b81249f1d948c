"""Strict mode's rules about a JSON schema: what it insists on, what it knows, what it refuses."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from simulators.chat_errors import ApiError, bad

Schema = Mapping[str, Any]

DEPTH_MAX: Final = 10
PROPERTIES_MAX: Final = 5000
ENUM_VALUES_MAX: Final = 1000
TEXT_MAX: Final = 120_000  # characters of all names, definitions, enum and const values together
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")

_ANYWHERE = frozenset(
    {"type", "description", "title", "enum", "const", "anyOf", "$ref", "$comment"}
)
_KNOWN: Final[Mapping[str, frozenset[str]]] = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "string": frozenset({"pattern", "format"}),
    "number": frozenset(
        {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    ),
    "boolean": frozenset(),
    "null": frozenset(),
}
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
)


def check_name(name: Any, param: str) -> None:
    if not isinstance(name, str) or not _NAME.match(name):
        message = (
            f"Invalid '{param}': string does not match pattern. Expected a string that matches "
            "the pattern '^[a-zA-Z0-9_-]+$'."
        )
        raise bad(message, param, "invalid_value")


class StrictRules:
    """Checks one schema; raises the refusal the API would send."""

    def __init__(self, name: str, param: str, root: Schema) -> None:
        self._name = name
        self._param = param
        self._root = root
        self._properties = 0
        self._enum_values = 0
        self._text = 0

    def check(self) -> None:
        if self._root.get("type") != "object":
            kind = self._root.get("type")
            raise self._no((), f"schema must be a JSON Schema of 'type: \"object\"', got {kind!r}")
        definitions = self._root.get("$defs", self._root.get("definitions", {}))
        for name, definition in definitions.items():
            self._text += len(name)
            self._node(definition, ("$defs", name), 1)
        root = {key: self._root[key] for key in self._root if key not in ("$defs", "definitions")}
        self._node(root, (), 1)
        if self._properties > PROPERTIES_MAX:
            raise self._whole(f"{self._properties} properties exceed the limit of {PROPERTIES_MAX}")
        if self._enum_values > ENUM_VALUES_MAX:
            raise self._whole(f"{self._enum_values} enum values exceed the limit")
        if self._text > TEXT_MAX:
            raise self._whole(f"{self._text} characters exceed the limit of {TEXT_MAX}")

    def _whole(self, why: str) -> ApiError:
        message = f"Invalid schema for response_format '{self._name}': {why}."
        return bad(message, self._param, "invalid_json_schema")

    def _no(self, path: tuple[str, ...], why: str) -> ApiError:
        return self._whole(f"In context={path!r}, {why}")

    def _node(self, node: Any, path: tuple[str, ...], depth: int) -> None:
        if not isinstance(node, dict):
            raise self._no(path, "schema must be an object")
        if depth > DEPTH_MAX:
            raise self._whole(f"{depth} levels of nesting exceeds limit of {DEPTH_MAX}")
        if "$ref" in node:
            self._reference(node, path)
            return
        kinds = self._kinds(node, path)
        self._keywords(node, kinds, path)
        for i, variant in enumerate(node.get("anyOf", ())):
            self._node(variant, (*path, "anyOf", str(i)), depth)
        if "object" in kinds:
            self._object(node, path, depth)
        if "array" in kinds:
            if "items" not in node:
                raise self._no(path, "array schema missing items")
            self._node(node["items"], (*path, "items"), depth + 1)

    def _keywords(self, node: Schema, kinds: list[str], path: tuple[str, ...]) -> None:
        known = _ANYWHERE.union(*(_KNOWN[_family(kind)] for kind in kinds))
        for keyword in node:
            if keyword not in known:
                raise self._no(path, f"'{keyword}' is not permitted")
        if node.get("format", "date") not in _FORMATS:
            raise self._no(path, f"'{node['format']}' is not a valid format")
        values = node.get("enum", [])
        self._enum_values += len(values)
        self._text += sum(len(str(value)) for value in values)
        if "enum" in node and not values:
            raise self._no(path, "enum must not be empty")

    def _kinds(self, node: Schema, path: tuple[str, ...]) -> list[str]:
        kind = node.get("type")
        if kind is None:
            if "anyOf" in node or "const" in node:
                return []
            raise self._no(path, "schema must have a 'type' key")
        kinds = [kind] if isinstance(kind, str) else list(kind)
        for each in kinds:
            if _family(each) not in _KNOWN:
                raise self._no(path, f"'{each}' is not a valid type")
        return kinds

    def _object(self, node: Schema, path: tuple[str, ...], depth: int) -> None:
        if node.get("additionalProperties") is not False:
            why = "'additionalProperties' is required to be supplied and to be false"
            raise self._no(path, why)
        properties = node.get("properties", {})
        required = node.get("required")
        rule = (
            "'required' is required to be supplied and to be an array including every key in "
            "properties"
        )
        if not isinstance(required, list):
            raise self._no(path, rule)
        for name in properties:
            if name not in required:
                raise self._no(path, f"{rule}. Missing '{name}'")
        for name in required:
            if name not in properties:
                raise self._no(path, f"{rule}. Extra required key '{name}' supplied")
        self._properties += len(properties)
        self._text += sum(map(len, properties))
        for name, child in properties.items():
            self._node(child, (*path, "properties", name), depth + 1)

    def _reference(self, node: Schema, path: tuple[str, ...]) -> None:
        for keyword in node:
            if keyword != "$ref":
                raise self._no(path, f"$ref cannot have keywords {{'{keyword}'}}")
        target, steps = node, 0
        while "$ref" in target and steps < DEPTH_MAX:
            try:
                target, steps = resolve(self._root, target["$ref"]), steps + 1
            except (KeyError, TypeError, ValueError):
                break
        if "$ref" in target:
            raise self._no(path, f"reference can only point to definitions: {node['$ref']!r}")


def _family(kind: str) -> str:
    return "number" if kind == "integer" else kind


def resolve(root: Schema, reference: str) -> Schema:
    """What `#/$defs/Name` points to; `#` is the root itself, which is how schemas recurse."""
    if not reference.startswith("#"):
        raise ValueError(reference)
    found: Any = root
    for step in _steps(reference):
        found = found[step]
    if not isinstance(found, dict):
        raise ValueError(reference)
    return found


def _steps(reference: str) -> Iterator[str]:
    for step in reference[1:].split("/")[1:]:
        yield step.replace("~1", "/").replace("~0", "~")
