"""The state of a conversation between two events, and the few moves every rule needs. Pure.

The rules are functions of a scene and an event, in `turns` and `endings`; `conversation` says which
event goes to which rule. Nothing but a rule changes a scene, and a scene never outlives its call.
"""

from collections.abc import Iterable
from enum import Enum, auto

from callfleet.audio import AudioFormat
from callfleet.calls import EndReason
from callfleet.journal_entries import Entry, Usage
from services.worker.dialogue import Ask, Command, Manner, Record, Say, StartTimer, Timer
from services.worker.floor import Floor
from services.worker.keypad import Keypad
from services.worker.playout import Playout
from services.worker.spending import Purse, receipt
from services.worker.transcript import Transcript
from services.worker.voice import Voice

ANSWER_DUE_MS = 8_000
WORDS_DUE_MS = 5_000


class Stage(Enum):
    """See `conversation` for what leads from one to the next."""

    OPENING = auto()
    TALKING = auto()
    LEAVING = auto()
    APOLOGISING = auto()
    LAST_WORDS = auto()
    OVER = auto()


class Scene:
    """One call's."""

    def __init__(self, manner: Manner, fmt: AudioFormat, apology: bytes) -> None:
        self.manner = manner
        self.apology = apology
        self.stage = Stage.OPENING
        self.closing = False  # nothing is asked of the session any more
        self.now_ms = 0
        self.orders: list[Command] = []
        self.floor = Floor()
        self.transcript = Transcript(transcribed=manner.transcribed)
        self.voice = Voice(Playout(fmt), self.transcript)
        self.keypad = Keypad()
        self.purse = Purse(manner.tariff, manner.budget_micro_usd)
        self.caller_speaking = False
        self.quiet_since_ms: int | None = None  # since when the caller waits for an answer
        self.decided_ms: int | None = None  # how long it took to see that the turn was over
        self.tool_answered = False  # in the turn under way
        self.goodbye: str | None = None  # the model's request to end the call
        self.tries = 0  # how often the present answer failed
        self.end_reason = EndReason.INTERNAL_ERROR
        self._words_awaited = False

    def close(self, stage: Stage) -> None:
        """Into one of the stages that lead only to the end."""
        self.stage, self.closing = stage, True

    def order(self, *commands: Command) -> None:
        self.orders += commands

    def take_orders(self) -> list[Command]:
        orders, self.orders = self.orders, []
        return orders

    def ask(self, wish: Ask | Say) -> None:
        """Have the agent speak, now or when the floor is free; and do not trust that it will."""
        self.orders += self.floor.ask(wish, hold=self.caller_speaking)
        if not self.caller_speaking:
            self.order(StartTimer(Timer.ANSWER_DUE, ANSWER_DUE_MS))

    def spend(self, usage: Usage) -> None:
        """Count it, and keep it in the journal for whoever takes the call over."""
        if usage != Usage():
            self.purse.take(usage)
            self.record([receipt(usage, self.now_ms)])

    def ask_what_waits(self) -> None:
        if self.floor.waiting is not None and not self.closing and not self.caller_speaking:
            self.ask(self.floor.waiting)

    def write_down(self, *, force: bool = False) -> None:
        """Put into the journal what is finished, in order."""
        self.record(self.transcript.release(force=force))
        blocked = self.transcript.blocked
        if blocked and not self._words_awaited:
            self.order(StartTimer(Timer.WORDS_DUE, WORDS_DUE_MS))
        self._words_awaited = blocked

    def write_down_late(self) -> None:
        """What waits has waited long enough."""
        self._words_awaited = False
        self.write_down(force=True)

    def record(self, entries: Iterable[Entry]) -> None:
        self.orders += [Record(entry) for entry in entries]
