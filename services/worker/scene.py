"""The state of a conversation between two events, and the few moves every rule needs. Pure.

The rules are functions of a scene and an event, in `turns`, `recovery`, `rotation`, `silence` and
`endings`; `conversation` says which event goes to which rule. Nothing but a rule changes a scene,
and a scene never outlives its call.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from callfleet.audio import AudioFormat
from callfleet.calls import EndReason
from callfleet.journal_entries import Entry, Turn, Usage
from services.worker import dialogue as told
from services.worker.dialogue import (
    Ask,
    Change,
    Command,
    Manner,
    Record,
    Say,
    StartTimer,
    StopTimer,
    Timer,
)
from services.worker.floor import Floor
from services.worker.keypad import Keypad
from services.worker.memory import Memory, said_of
from services.worker.playout import Playout
from services.worker.spending import Purse, receipt
from services.worker.transcript import Transcript
from services.worker.voice import Voice

ANSWER_DUE_MS = 8_000
WORDS_DUE_MS = 5_000
FILLER_AFTER_MS = 4_000  # of silence for no known reason


class Stage(Enum):
    """See `conversation` for what leads from one to the next."""

    OPENING = auto()
    TALKING = auto()
    LEAVING = auto()
    APOLOGISING = auto()
    LAST_WORDS = auto()
    OVER = auto()


@dataclass(frozen=True, slots=True)
class Recordings:
    """Sounds for when no session can speak, in the leg's format; empty: none."""

    apology: bytes = b""
    filler: bytes = b""


@dataclass(slots=True)
class Loss:
    """A session that is gone, until the next is there."""

    tries: int = 0  # since one last served a turn to its end
    hear_again: bool = False  # what the caller said last: it went down with the old one
    advice: str | None = None  # for the next session's first answer


@dataclass(slots=True)
class Age:
    """How the session in use is to be changed for a new one before its end."""

    last_ms: int | None = None  # when it cannot be kept any longer
    spare: told.SpareReady | None = None  # stands by
    spare_since_ms: int = 0


@dataclass(slots=True)
class Calm:
    """Nobody speaks and nothing is awaited; and how long the caller has been silent."""

    now: bool = False
    silent_since_ms: int | None = None
    prompted: bool = False


class Scene:
    """One call's."""

    def __init__(self, manner: Manner, fmt: AudioFormat, recordings: Recordings) -> None:
        self.manner = manner
        self.recordings = recordings
        self.stage = Stage.OPENING
        self.closing = False  # nothing is asked of the session any more
        self.connected = False
        self.now_ms = 0
        self.orders: list[Command] = []
        self.floor = Floor()
        self.transcript = Transcript(transcribed=manner.transcribed)
        self.voice = Voice(Playout(fmt), self.transcript)
        self.keypad = Keypad()
        self.memory = Memory()
        self.purse = Purse(manner.tariff, manner.budget_micro_usd)
        self.loss = Loss()
        self.age = Age()
        self.calm = Calm()
        self.caller_speaking = False
        self.greeting = False  # is being said
        self.deaf = False  # the session is not to hear the caller yet
        self.caller_since_ms = 0  # when the caller last began to speak
        self.quiet_since_ms: int | None = None  # since when the caller waits for an answer
        self.decided_ms: int | None = None  # how long it took to see that the turn was over
        self.tool_answered = False  # in the turn under way
        self.goodbye: str | None = None  # the model's request to end the call
        self.parting: EndReason | None = None  # why we, not the agent, end the call
        self.overtime = False
        self.tries = 0  # how often the present answer failed
        self.trying_since_ms = 0
        self.spoken_up = False  # the caller was asked to
        self.change = Change()  # of settings, waiting to be made
        self.changed = Change()  # and made
        self.voice_heard = False  # ever
        self.went_on = False  # after an answer that was too long, once
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

    @property
    def firm(self) -> bool:
        """The call ends now, whatever the caller does."""
        return self.parting not in (None, EndReason.CALLER_SILENT)

    # The agent's turns ---------------------------------------------------------------------------

    def ask(self, wish: Ask | Say) -> None:
        """Have the agent speak, now or when it can; and do not trust that it will."""
        hold = self.caller_speaking or not self.connected
        self.orders += self.floor.ask(wish, hold=hold)
        if not hold:
            self.await_answer()

    def ask_what_waits(self) -> None:
        if self.floor.waiting is not None and not self.closing and not self.caller_speaking:
            self.ask(self.floor.waiting)

    def await_answer(self) -> None:
        self.order(StartTimer(Timer.ANSWER_DUE, ANSWER_DUE_MS))
        self.expect_silence(FILLER_AFTER_MS)

    def answer_came(self) -> None:
        self.order(StopTimer(Timer.ANSWER_DUE))
        if self.recordings.filler:
            self.order(StopTimer(Timer.FILLER_DUE))

    def expect_silence(self, after_ms: int) -> None:
        """The caller may have to wait: after so long, they hear that they are not forgotten."""
        if self.recordings.filler:
            self.order(StartTimer(Timer.FILLER_DUE, after_ms))

    # What the agent is told ----------------------------------------------------------------------

    def tell(self, text: str) -> None:
        self.memory.note(told.Told(text))
        self.order(told.Tell(text))

    def answer(self, request: str, output: str) -> None:
        """What a tool said."""
        self.memory.tool_answered(request, output)
        self.order(told.Answer(request, output))

    def spend(self, usage: Usage) -> None:
        """Count it, and keep it in the journal for whoever takes the call over."""
        if usage != Usage():
            self.purse.take(usage)
            self.record([receipt(usage, self.now_ms)])

    # The journal ---------------------------------------------------------------------------------

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
        for entry in entries:
            self.order(Record(entry))
            if isinstance(entry, Turn):
                self.memory.note(said_of(entry))
