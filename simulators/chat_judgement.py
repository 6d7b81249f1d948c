"""A judge that only counts words: what a caller says moves the score, what it orders does not.

The transcript is found wherever the request put it (a JSON document with a list of turns, or lines
that begin with who speaks), and the caller's words are counted against fixed lists. The same words
give the same judgement, in any request, on any machine.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from simulators.chat_words import ANGRY, HAPPY, LANGUAGES, PURPOSES, SAME_PURPOSE, SIGNALS

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_LINE = re.compile(
    r"^\W*(?:\d+\W+)?(caller|customer|user|agent|assistant)\b(?:\s*[(\[][^)\]]*[)\]])?[^:]{0,20}:(.*)",
    re.IGNORECASE,
)
_CALLERS = ("caller", "customer", "user")
_SPEAKER_KEYS = ("who", "role", "speaker")


@dataclass(frozen=True, slots=True)
class Line:
    """One turn of the transcript, numbered as the request numbers it."""

    number: int
    by_caller: bool
    text: str


def words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def transcript(said: Iterable[str]) -> list[Line]:
    """The turns in the user messages; text without any is one turn of the caller."""
    said = list(said)
    lines = [line for text in said for line in _of_document(text)]
    if not lines:
        lines = _of_lines("\n".join(said))
    if not lines and any(text.strip() for text in said):
        return [Line(1, True, "\n".join(said))]
    return lines


def _of_document(text: str) -> Iterator[Line]:
    start = text.find("{")
    if start < 0:
        return
    try:
        document, _ = json.JSONDecoder().raw_decode(text[start:])
    except ValueError:
        return
    for turns in _lists_of_turns(document):
        for position, turn in enumerate(turns, 1):
            who = next(str(turn[key]) for key in _SPEAKER_KEYS if key in turn)
            number = turn.get("n", position)
            yield Line(number, who.lower() in _CALLERS, str(turn["text"]))


def _lists_of_turns(node: Any) -> Iterator[list[dict[str, Any]]]:
    if isinstance(node, dict):
        for value in node.values():
            yield from _lists_of_turns(value)
    elif isinstance(node, list) and node:
        if all(_is_turn(each) for each in node):
            yield node
        else:
            for each in node:
                yield from _lists_of_turns(each)


def _is_turn(node: Any) -> bool:
    return isinstance(node, dict) and "text" in node and any(key in node for key in _SPEAKER_KEYS)


def _of_lines(text: str) -> list[Line]:
    found = [match for match in map(_LINE.match, text.splitlines()) if match]
    return [
        Line(number, match[1].lower() in _CALLERS, match[2].strip())
        for number, match in enumerate(found, 1)
    ]


class Judgement:
    """What can be counted in one transcript."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines
        self.caller = [line for line in lines if line.by_caller]
        self._words = {line.number: words(line.text) for line in self.caller}

    @cached_property
    def scorable(self) -> bool:
        return any(self._words.values())

    def _mood(self, lexicon: frozenset[str]) -> list[int]:
        """Turn numbers, once for each word of the lexicon in them."""
        return [n for n, said in self._words.items() for word in said if word in lexicon]

    @cached_property
    def sentiment_value(self) -> float:
        happy, angry = len(self._mood(HAPPY)), len(self._mood(ANGRY))
        if not happy + angry:
            return 0.0
        lean = (happy - angry) / (happy + angry)
        return round(lean * min(1.0, (happy + angry) / 3), 2)

    @property
    def sentiment(self) -> str:
        if self.sentiment_value > 0.15:
            return "positive"
        if self.sentiment_value < -0.15:
            return "negative"
        return "mixed" if self._mood(HAPPY) and self._mood(ANGRY) else "neutral"

    @property
    def sentiment_turns(self) -> list[int]:
        return sorted({*self._mood(HAPPY), *self._mood(ANGRY)})

    def _hits(self, stems: Iterable[str]) -> list[int]:
        begins = tuple(stems)
        return [n for n, said in self._words.items() for word in said if word.startswith(begins)]

    def hits(self, choice: str) -> list[int]:
        """Turn numbers, once for each word that speaks for a choice named so."""
        stems = {
            stem
            for part in words(choice.replace("_", " "))
            for stem in PURPOSES.get(SAME_PURPOSE.get(part, part), (part,) if len(part) > 2 else ())
        }
        return self._hits(stems) if stems else []

    @cached_property
    def intent(self) -> str:
        """The purpose most words speak for; the first of equals."""
        counted = {name: len(self._hits(stems)) for name, stems in PURPOSES.items()}
        best = max(counted, key=lambda name: counted[name])
        return best if counted[best] else "other"

    @property
    def intent_turns(self) -> list[int]:
        return sorted(set(self._hits(PURPOSES.get(self.intent, ()) or ("\0",))))

    def signal_turns(self, signal: str) -> list[int]:
        """Where the caller showed it; a signal of unknown name is looked for by its words."""
        _, phrases = SIGNALS.get(signal, (0, (signal.replace("_", " "),)))
        return [
            line.number
            for line in self.caller
            if any(re.search(rf"\b{re.escape(each)}", line.text.lower()) for each in phrases)
        ]

    @cached_property
    def signals(self) -> dict[str, list[int]]:
        found = {signal: self.signal_turns(signal) for signal in SIGNALS}
        return {signal: turns for signal, turns in found.items() if turns}

    @property
    def lead_score(self) -> int:
        if not self.scorable:
            return 0
        return max(0, min(100, 10 + sum(SIGNALS[signal][0] for signal in self.signals)))

    @property
    def language(self) -> str:
        said = [word for each in self._words.values() for word in each]
        counted = {name: sum(word in known for word in said) for name, known in LANGUAGES.items()}
        return max(counted, key=lambda name: counted[name])

    @property
    def topics(self) -> list[str]:
        return [name for name, stems in PURPOSES.items() if self._hits(stems)]

    @property
    def summary(self) -> str:
        if not self.scorable:
            return ""
        first = self.caller[0].text.strip()
        quoted = first if len(first) <= 120 else first[:119] + "…"
        return (
            f'The caller said "{quoted}" and spoke {len(self.caller)} of {len(self.lines)} turns; '
            f"the call was about {self.intent} and the mood was {self.sentiment}."
        )

    def reasons(self) -> list[str]:
        """Each signal with the words it was heard in."""
        texts = {line.number: line.text.strip() for line in self.caller}
        return [
            f'{signal.replace("_", " ")}: "{texts[turns[0]][:80]}"'
            for signal, turns in self.signals.items()
        ]

    def quote(self, name: str) -> str:
        """The first turn with a word of the field's name in it."""
        wanted = [part for part in words(name.replace("_", " ")) if len(part) > 2]
        for line in self.caller:
            if any(word.startswith(tuple(wanted)) for word in self._words[line.number] if wanted):
                return line.text.strip()
        return ""
