"""A conversation under test: events go in at stated times, orders come out; timers run by hand."""

from typing import Final

from callfleet.audio import PCMU
from callfleet.calls import EndReason
from callfleet.journal_entries import Entry, Turn
from services.worker import dialogue as told
from services.worker.conversation import Conversation
from services.worker.dialogue import Command, Event, Manner, Outcome, Timer
from services.worker.scene import Recordings

APOLOGY: Final = b"\x55" * 1600
FILLER: Final = b"\x33" * 800
GREETING: Final = "Thanks for calling Acme Clinic."
TIMERS: Final = (told.StartTimer, told.StopTimer, told.KeepSound)


def sound(ms: int, byte: int = 1) -> bytes:
    return bytes([byte]) * PCMU.bytes(ms)


class Talk:
    """One conversation; `now_ms` moves by `at`."""

    def __init__(self, *, fills: bool = False, **manner: object) -> None:
        self.conversation = Conversation(
            Manner(**manner),  # type: ignore[arg-type] # fields by name
            fmt=PCMU,
            recordings=Recordings(APOLOGY, FILLER if fills else b""),
        )
        self.now_ms = 0
        self.journal: list[Entry] = []
        self.timers: dict[Timer, int] = {}  # and when each is due

    def hear(self, *events: Event) -> list[Command]:
        """All orders but those about timers, which `timers` keeps."""
        orders: list[Command] = []
        for event in events:
            orders += self.conversation.receive(event, self.now_ms)
        for order in orders:
            if isinstance(order, told.StartTimer):
                self.timers[order.timer] = self.now_ms + order.after_ms
            elif isinstance(order, told.StopTimer):
                self.timers.pop(order.timer, None)
            elif isinstance(order, told.Record):
                self.journal.append(order.entry)
        return [order for order in orders if not isinstance(order, TIMERS)]

    def at(self, now_ms: int, *events: Event) -> list[Command]:
        assert now_ms >= self.now_ms
        self.now_ms = now_ms
        return self.hear(*events)

    def wait(self) -> list[Command]:
        """Until the next timer fires."""
        timer, due_ms = min(self.timers.items(), key=lambda item: item[1])
        del self.timers[timer]
        return self.at(max(due_ms, self.now_ms), told.TimerFired(timer))

    def until(self, timer: Timer) -> list[Command]:
        """Whatever fires until then, and it."""
        orders: list[Command] = []
        while timer in self.timers and min(self.timers, key=self.timers.__getitem__) is not timer:
            orders += self.wait()
        return orders + self.wait()

    # Things that happen in every call ------------------------------------------------------------

    def ready(self, lifetime_ms: int | None = None) -> list[Command]:
        """All that is ordered but that the session is to hear the caller."""
        orders = self.hear(told.SessionReady(lifetime_ms))
        return [order for order in orders if order != told.Hear()]

    def agent_says(
        self, text: str, ms: int, *, turn: str = "r1", item: str = "i1", done: bool = True
    ) -> list[Command]:
        """A whole answer, as it comes from the session."""
        orders = self.hear(
            told.AgentTurnStarted(turn),
            told.AgentWords(item, text),
            told.AgentAudio(item, sound(ms)),
        )
        if done:
            orders += self.hear(
                told.AgentAudioEnded(item), told.AgentSaid(item, text), self.done(turn)
            )
        return orders

    def done(self, turn: str = "r1", outcome: Outcome = Outcome.COMPLETED) -> Event:
        return told.AgentTurnDone(turn, outcome)

    def caller_says(self, text: str | None, *, turn: str = "u1", ms: int = 1000) -> list[Command]:
        """A whole turn, `text` None: its words come later."""
        orders = self.hear(told.CallerStartedSpeaking(turn))
        orders += self.at(
            self.now_ms + ms, told.CallerStoppedSpeaking(turn), told.CallerTurnEnded(turn)
        )
        return orders if text is None else orders + self.hear(told.CallerWords(turn, text))

    def turns(self) -> list[tuple[str, str]]:
        return [(turn.role, turn.text) for turn in self.journal if isinstance(turn, Turn)]


def marks(orders: list[Command]) -> list[str]:
    return [order.name for order in orders if isinstance(order, told.PlaceMark)]


def played(orders: list[Command]) -> bytes:
    return b"".join(order.audio for order in orders if isinstance(order, told.Play))


def hung_up(orders: list[Command]) -> EndReason | None:
    return next((order.reason for order in orders if isinstance(order, told.HangUp)), None)
