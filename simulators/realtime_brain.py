"""What the simulated model says and does: seeded, by rules, so that a test can say it beforehand.

It speaks for the business its instructions name, answers what callers of clinics, estate agents and
salons want, asks one question back, and remembers: every answer comes from the items of the
conversation, including those a client seeded it with.

A system message that comes last is carried out: see `ADVICE`.

Two rules make it say a given sentence, so that greetings and apologies are exact:
`instructions` of a `response.create` (never those of the session) that hold `Say exactly:`, `Say:`
or `Greet the caller with:` speak what follows: a string in double quotes (read with its
backslashes), else the rest of that line. And `script` maps words a caller may say to the answer.

Tools: "use tool lookup with {...}", several at once if allowed; a tool's name in plain words
("check availability" for `check_availability`), its parameters then filled from the sentence;
`end_call` at goodbye; what `tool_choice` demands. After outputs of tools it speaks them.
"""

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulators.realtime_lines import (
    BUSINESS_NAME,
    LINES,
    MEMORY,
    Vertical,
    advised_line,
    intent_of,
    vertical_of,
)

_SAY = re.compile(r"(?:Say exactly|Say|Greet the caller with)\s*:\s*", re.IGNORECASE)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_USE_TOOL = re.compile(r"\b(?:use|call|run|and) (?:the )?tool (\w+)(?: with )?", re.IGNORECASE)
_NAME = re.compile(r"\b(?i:my name is|this is|i am|i'm) ([A-Z][\w'-]+(?: [A-Z][\w'-]+)?)")
_DAY = re.compile(
    r"\b(?:next |this )?(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|today|tomorrow)\b", re.I
)
_HOURS = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|noon"
_TIME = re.compile(
    r"\b(?:at|around|by) ((?:half past |quarter past |quarter to )?"
    rf"(?:\d{{1,2}}(?::\d\d)?|{_HOURS})"
    r"(?: ?(?:am|pm|a\.m\.|p\.m\.|o'clock|thirty))?)",
    re.IGNORECASE,
)
_WISH = re.compile(
    r"\b(?:book|want|like|schedule) ((?:a|an|another) [\w -]+?)(?= (?:on|for|at)\b|[.,?!]|$)"
)


@dataclass(frozen=True, slots=True)
class Said:
    """One thing in the history. `role`: user, assistant, system, function_call(_output)."""

    role: str
    words: str


@dataclass(frozen=True, slots=True)
class Scene:
    """All that the model knows when it is its turn."""

    instructions: str
    order: str  # the instructions of this one response
    history: Sequence[Said]
    tools: Sequence[Mapping[str, Any]] = ()
    tool_choice: Any = "auto"
    parallel: bool = True


@dataclass(frozen=True, slots=True)
class Say:
    text: str


@dataclass(frozen=True, slots=True)
class CallTool:
    name: str
    arguments: str


Act = Say | CallTool


class Brain:
    def __init__(self, seed: int, script: Mapping[str, str]) -> None:
        self._seed = seed
        self._script = {words.lower(): line for words, line in script.items()}

    def acts(self, scene: Scene) -> list[Act]:
        ordered = _ordered_line(scene.order)
        calls = [] if ordered else _forced_call(scene)
        if ordered:
            return [Say(ordered)]
        if calls:
            return list(calls)
        results = _fresh_results(scene.history)
        if results:
            return [Say(" ".join(_spoken_result(each) for each in results))]
        last = scene.history[-1] if scene.history else None
        if last is not None and last.role == "system" and (line := advised_line(last.words)):
            return [Say(line)]
        heard = _last_heard(scene.history)
        for words, line in self._script.items():
            if heard is not None and words in heard.lower():
                return [Say(line)]
        if heard:
            calls = _calls_for(heard, scene)
            if calls:
                return list(calls)
        return self._answer(heard, scene)

    def _answer(self, heard: str | None, scene: Scene) -> list[Act]:
        vertical = vertical_of(scene.instructions)
        said = [each.words for each in scene.history if each.role == "user"]
        intent = "greeting" if heard is None else intent_of(heard)
        if intent in MEMORY:
            answers = [each.words for each in scene.history if each.role == "assistant"]
            return [Say(_remember(intent, said, answers))]
        draw = random.Random(f"{self._seed}|{len(scene.history)}|{heard}")
        line = draw.choice(LINES[intent])
        if intent == "booking":
            line = _booking_line(said, vertical)
        business = BUSINESS_NAME.search(scene.instructions)
        place = business.group(1).rstrip(".,") if business else "our office"
        facts = {"place": place, "prices": vertical.prices, "hours": vertical.hours}
        acts: list[Act] = [Say(line.format(**facts, question=vertical.question))]
        if intent == "goodbye" and any(_name(tool) == "end_call" for tool in _usable(scene)):
            acts.append(CallTool("end_call", "{}"))
        return acts


def _ordered_line(order: str) -> str:
    match = _SAY.search(order)
    if match is None:
        return ""
    quoted = _QUOTED.match(order, match.end())
    if quoted:
        try:
            return str(json.loads(quoted.group(), strict=False))
        except ValueError:
            return quoted.group()[1:-1]
    return order[match.end() :].split("\n")[0].strip()


def _last_heard(history: Sequence[Said]) -> str | None:
    for each in reversed(history):
        if each.role == "user":
            return each.words
    return None


def _fresh_results(history: Sequence[Said]) -> list[str]:
    """The outputs of tools that nobody has spoken about yet."""
    results: list[str] = []
    for each in reversed(history):
        if each.role == "function_call_output":
            results.insert(0, each.words)
        elif each.role != "function_call":
            break
    return results


def _spoken_result(output: str) -> str:
    try:
        value = json.loads(output)
    except ValueError:
        return output
    if isinstance(value, dict):
        return ". ".join(f"{name}: {each}" for name, each in value.items()) + "."
    return str(value)


def _remember(intent: str, said: Sequence[str], answers: Sequence[str]) -> str:
    earlier = said[:-1]
    if intent == "you_said":
        last = answers[-1].strip() if answers else ""
        return f"I said: {last}" if last else "I have not said anything yet."
    if intent == "my_name":
        name = _caller_name(earlier)
        return f"Your name is {name}." if name else "I do not know your name yet. What is it?"
    if intent == "said_first":
        return f"The first thing you said was: {earlier[0]}" if earlier else "You just called."
    day, time = _appointment(earlier)
    when = " at ".join(each for each in (day, time) if each)
    return f"You asked for {when}." if when else "You have not booked anything yet."


def _caller_name(said: Sequence[str]) -> str:
    for words in reversed(said):
        match = _NAME.search(words)
        if match:
            return match.group(1)
    return ""


def _appointment(said: Sequence[str]) -> tuple[str, str]:
    day = time = ""
    for words in said:
        day = found.group() if (found := _DAY.search(words)) else day
        time = found.group(1) if (found := _TIME.search(words)) else time
    return day, time


def _booking_line(said: Sequence[str], vertical: Vertical) -> str:
    day, time = _appointment(said)
    name, wish = _caller_name(said), vertical.appointment
    for words in said:
        wish = found.group(1) if (found := _WISH.search(words)) else wish
    when = " at ".join(each for each in (day, time) if each)
    if not day or not time:
        known = f" for {when}" if when else ""
        return f"I can book {wish}{known}. What day and time would suit you?"
    if not name:
        return f"I can book {wish} on {when}. May I have your name, please?"
    return f"Thank you, {name}. {wish.capitalize()} is booked for {when}. {{question}}"


def _usable(scene: Scene) -> list[Mapping[str, Any]]:
    if scene.tool_choice == "none":
        return []
    return [tool for tool in scene.tools if tool["type"] == "function"]


def _name(tool: Mapping[str, Any]) -> str:
    return str(tool["name"])


def _forced_call(scene: Scene) -> list[CallTool]:
    choice = scene.tool_choice
    wanted = choice.get("name") if isinstance(choice, Mapping) else None
    if wanted is None and choice != "required":
        return []
    heard = _last_heard(scene.history) or ""
    named = _calls_for(heard, scene)
    if named and (wanted is None or named[0].name == wanted):
        return named
    for tool in _usable(scene):
        if wanted in (None, _name(tool)):
            return [CallTool(_name(tool), _filled(tool, heard))]
    return []


def _calls_for(heard: str, scene: Scene) -> list[CallTool]:
    tools = {_name(tool): tool for tool in _usable(scene)}
    calls = [
        CallTool(match.group(1), _spoken_arguments(heard, match.end()))
        for match in _USE_TOOL.finditer(heard)
        if match.group(1) in tools
    ]
    if not calls:
        calls = [
            CallTool(name, _filled(tool, heard))
            for name, tool in tools.items()
            if name != "end_call" and name.replace("_", " ").lower() in heard.lower()
        ]
    return calls if scene.parallel else calls[:1]


def _spoken_arguments(heard: str, start: int) -> str:
    """The JSON object the caller dictated, or, if it is none, what was dictated instead."""
    if not heard[start:].startswith("{"):
        return "{}"
    try:
        _, end = json.JSONDecoder().raw_decode(heard, start)
    except ValueError:
        return heard[start:].split("}")[0] + "}" * ("}" in heard[start:])
    return heard[start:end]


def _filled(tool: Mapping[str, Any], heard: str) -> str:
    """Arguments for a tool that was only named: drawn from the sentence by the schema's types."""
    parameters = tool.get("parameters") or {}
    properties = parameters.get("properties", {})
    wanted = parameters.get("required", list(properties))
    values = {name: _value(properties.get(name, {}), heard) for name in wanted}
    return json.dumps(values)


def _value(schema: Mapping[str, Any], heard: str) -> Any:
    if schema.get("enum"):
        spoken = [each for each in schema["enum"] if str(each).lower() in heard.lower()]
        return (spoken or schema["enum"])[0]
    numbers = re.findall(r"\d+", heard)
    empty: dict[str, Any] = {"boolean": True, "array": [], "object": {}, "null": None}
    empty |= {"integer": int(numbers[0]) if numbers else 1}
    empty |= {"number": float(empty["integer"])}
    return empty.get(str(schema.get("type")), heard)
