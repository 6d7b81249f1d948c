"""What a new session must be told of the call so far: all that the journal holds, in order. Pure.

Sessions cannot be resumed, so the next one is given the words of both sides (the agent's as far as
they were heard), the tools that were used with what they answered, and what the agent was told.
Bounded: a model attends to the end of a long history, and the oldest entries leave first.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from callfleet.journal_entries import Turn
from services.worker.dialogue import Remembered, Said, Told, ToolUsed

ITEMS_MAX: Final = 300
LETTERS_MAX: Final = 60_000

_WORDLESS: Final = Told("The caller spoke here; the words were not written down.")


@dataclass(slots=True)
class Memory:
    """Of one call."""

    _past: deque[Remembered] = field(default_factory=lambda: deque(maxlen=ITEMS_MAX))
    _asked: dict[str, ToolUsed] = field(default_factory=dict)  # and not answered yet

    def note(self, what: Remembered) -> None:
        self._past.append(what)

    def tool_asked(self, request: str, tool: str, arguments: str) -> None:
        self._asked[request] = ToolUsed(request, tool, arguments)

    def tool_answered(self, request: str, output: str) -> None:
        asked = self._asked.pop(request, None)
        if asked is not None:
            self.note(ToolUsed(request, asked.tool, asked.arguments, output))

    def forget_tool(self, request: str) -> None:
        """It will never be answered."""
        self._asked.pop(request, None)

    def recall(self, unwritten: Iterable[Turn]) -> tuple[Remembered, ...]:
        """Everything, with what is said but not in the journal yet; the newest if it is much."""
        past = [*self._past, *(said_of(turn) for turn in unwritten), *self._asked.values()]
        left = LETTERS_MAX
        for index in reversed(range(len(past))):
            left -= _letters(past[index])
            if left < 0:
                return tuple(past[index + 1 :])
        return tuple(past)


def said_of(turn: Turn) -> Remembered:
    return Said(turn.role, turn.text) if turn.text else _WORDLESS


def _letters(what: Remembered) -> int:
    match what:
        case ToolUsed(_, _, arguments, output):
            return len(arguments) + len(output or "")
        case Said(_, text) | Told(text):
            return len(text)
