"""From a judgement to JSON that obeys whatever schema was asked for.

A field is filled by its name where the judge knows it (sentiment, intent, lead score, reasons ...)
and by its type where not: a choice by the words that speak for it, a text by the turn that has the
field's name in it, a number from that turn, a maybe with null. What a schema demands beyond that
(ranges, lengths of lists, formats) is obeyed.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from simulators.chat_judgement import Judgement, words
from simulators.chat_schema import Schema, resolve

_SHY = ("none", "other", "unknown", "neutral", "not_applicable", "n/a", "unclear", "resolved")
_FORMATS = {
    "date-time": "2026-11-20T09:00:00Z",
    "date": "2026-11-20",
    "time": "09:00:00Z",
    "duration": "PT1M",
    "email": "caller@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_DEPTH_MAX = 4  # a schema that contains itself ends here


class Answer:
    """One answer under way."""

    def __init__(self, judgement: Judgement, schema: Schema) -> None:
        self._judgement = judgement
        self._root = schema

    def value(self) -> Any:
        return self._node(self._root, "", 0)

    def _node(self, node: Schema, name: str, depth: int) -> Any:
        if "$ref" in node:
            return self._node(resolve(self._root, node["$ref"]), name, depth + 1)
        if "const" in node:
            return node["const"]
        if "enum" in node:
            return self._choice(node["enum"], name)
        if "anyOf" in node:
            return self._variant(list(node["anyOf"]), name, depth)
        kind = node["type"]
        if isinstance(kind, list):
            variants = [{**node, "type": each} for each in kind]
            return self._variant(variants, name, depth)
        return self._typed(kind, node, name, depth)

    def _typed(self, kind: str, node: Schema, name: str, depth: int) -> Any:
        match kind:
            case "object":
                properties = node.get("properties", {})
                return {key: self._node(properties[key], key, depth + 1) for key in properties}
            case "array":
                return self._list(node, name, depth)
            case "string":
                return self._text(node, name)
            case "boolean":
                return self._flag(name)
            case "null":
                return None
        return self._number(kind, node, name)

    def _variant(self, variants: Sequence[Schema], name: str, depth: int) -> Any:
        nullable = [each for each in variants if each.get("type") == "null"]
        others = [each for each in variants if each.get("type") != "null"]
        if not others or (nullable and (depth > _DEPTH_MAX or not self._known(others[0], name))):
            return None
        return self._node(others[0], name, depth + 1)

    def _known(self, node: Schema, name: str) -> bool:
        """Is there anything to say in a field of this name, or for one of its choices?"""
        choices = (value for value in node.get("enum", ()) if value is not None)
        spoken_for = any(self._judgement.hits(str(choice)) for choice in choices)
        return spoken_for or name in self._facts() or bool(self._judgement.quote(name))

    def _facts(self) -> Mapping[str, Any]:
        judged = self._judgement
        return {
            "sentiment": judged.sentiment,
            "mood": judged.sentiment,
            "sentiment_value": judged.sentiment_value,
            "sentiment_score": judged.sentiment_value,
            "intent": judged.intent,
            "intent_detail": f"about {judged.intent}",
            "lead_score": judged.lead_score,
            "score": judged.lead_score,
            "summary": judged.summary,
            "language": judged.language,
            "scorable": judged.scorable,
            "why_not": "none" if judged.scorable else "no_conversation",
            "satisfaction": round(50 + 50 * judged.sentiment_value),
        }

    def _choice(self, values: list[Any], name: str) -> Any:
        fact = self._facts().get(name)
        if fact in values:
            return fact
        counted = {str(value): len(self._judgement.hits(str(value))) for value in values}
        best = max(values, key=lambda value: counted[str(value)])
        if counted[str(best)]:
            return best
        shy = [value for value in values if str(value).lower() in _SHY]
        return None if None in values else (shy or values)[0]

    def _list(self, node: Schema, name: str, depth: int) -> list[Any]:
        items, judged = node["items"], self._judgement
        resolved = resolve(self._root, items["$ref"]) if "$ref" in items else items
        least, most = int(node.get("minItems", 0)), int(node.get("maxItems", 1000))
        found: list[Any] = []
        if "turn" in name or "evidence" in name:
            if _lists_numbers(node):
                turns = judged.intent_turns if "intent" in name else judged.sentiment_turns
                found = list(turns)
        elif "enum" in resolved:
            found = [value for value in resolved["enum"] if judged.hits(str(value))]
        elif resolved.get("type") == "object" and depth <= _DEPTH_MAX:
            found = self._signals(resolved, depth)
        elif resolved.get("type") == "string":
            found = judged.topics if "topic" in name or "tag" in name else judged.reasons()
        while len(found) < least:
            found.append(self._node(items, "", depth + 1))
        return found[:most]

    def _signals(self, item: Schema, depth: int) -> list[Any]:
        """A list of {signal, turns}: one for each of its choices that was heard."""
        properties = item.get("properties", {})
        chooser = next((key for key in properties if "enum" in properties[key]), None)
        if chooser is None:
            return []
        found = []
        for choice in properties[chooser]["enum"]:
            turns = self._judgement.signal_turns(str(choice))
            if turns:
                filled = {key: self._node(properties[key], key, depth + 1) for key in properties}
                cited = {key: turns for key in properties if _lists_numbers(properties[key])}
                found.append(filled | cited | {chooser: choice})
        return found

    def _text(self, node: Schema, name: str) -> str:
        if "format" in node:
            return _FORMATS[node["format"]]
        text = str(self._facts().get(name) or self._judgement.quote(name))
        if "pattern" in node and not re.search(node["pattern"], text):
            return _matching(node["pattern"], self._judgement)
        return text

    def _flag(self, name: str) -> bool:
        fact = self._facts().get(name)
        return fact if isinstance(fact, bool) else bool(self._judgement.quote(name))

    def _number(self, kind: str, node: Schema, name: str) -> int | float:
        fact = self._facts().get(name)
        if not isinstance(fact, int | float) or isinstance(fact, bool):
            digits = re.search(r"\d+(?:\.\d+)?", self._judgement.quote(name))
            fact = float(digits[0]) if digits else 0.0
        low, high = _bounds(kind, node)
        step = node.get("multipleOf", 1 if kind == "integer" else None)
        if step:
            low, high = math.ceil(low / step) * step, math.floor(high / step) * step
            fact = round(fact / step) * step
        bounded = max(low, min(high, fact))
        return int(bounded) if kind == "integer" else bounded


def _lists_numbers(node: Schema) -> bool:
    return node.get("type") == "array" and node["items"].get("type") in ("integer", "number")


def _bounds(kind: str, node: Schema) -> tuple[float, float]:
    gap = 1 if kind == "integer" else 1e-6
    low, high = float(node.get("minimum", -1e15)), float(node.get("maximum", 1e15))
    if "exclusiveMinimum" in node:
        low = max(low, node["exclusiveMinimum"] + gap)
    if "exclusiveMaximum" in node:
        high = min(high, node["exclusiveMaximum"] - gap)
    return low, high


def _matching(pattern: str, judged: Judgement) -> str:
    """A text that a pattern accepts: a word that was said, or one of a few plain shapes."""
    said = [word for line in judged.caller for word in words(line.text)]
    shapes = ["", "none", "NONE", "None", "a", "A", "0", "00", "000", "0000", "+15550100000"]
    for candidate in [*said, *shapes, *_FORMATS.values()]:
        if re.search(pattern, candidate):
            return candidate
    raise ValueError(f"this simulator cannot find a text that matches {pattern!r}")


def answer(judgement: Judgement, schema: Schema | None) -> str:
    """What the model writes."""
    if schema is None:
        return judgement.summary or "I cannot tell from this."
    return json.dumps(Answer(judgement, schema).value(), ensure_ascii=False)
