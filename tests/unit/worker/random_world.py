"""The world of a random call: what orders mean to session, carrier, clock and journal.

Whatever is ordered, the invariants asserted here must hold.
"""

from hypothesis.stateful import RuleBasedStateMachine

from callfleet.audio import PCMU
from callfleet.journal_entries import Turn
from services.worker import dialogue as told
from services.worker.conversation import Conversation
from services.worker.dialogue import Command, Event, Timer

VOICES = 0x80  # the first byte value of a session's sound; recordings are below


class RandomWorld(RuleBasedStateMachine):
    """Takes the orders as a session and a carrier would."""

    conversation: Conversation

    def _begin(self) -> None:
        self.now_ms = 0
        self.names = 0
        self.opening = True  # a session is being opened to be used
        self.spare = ""  # "", "opening" or "ready"
        self.something_said = False
        self.sent: dict[str, int] = {}  # bytes of each item that went to the carrier
        self.voices: dict[int, str] = {}  # each sounds different
        self._no_session()
        self.carrier: list[str] = []  # marks in its buffer
        self.echoes: list[str] = []  # on their way back
        self.timers: dict[Timer, int] = {}
        self.tools: dict[str, int] = {}  # answers to each
        self.truncated: set[str] = set()
        self.hung_up = 0

    def _no_session(self) -> None:
        """Whatever one has begun is gone with it."""
        self.connected = self.hearing = False
        self.knows = not self.something_said
        self.asks: list[told.Ask | told.Say] = []  # on their way to the session
        self.turn = ""  # the session's active answer
        self.cancelled = False
        self.items: set[str] = set()
        self.item = ""
        self.item_open = False
        self.caller = ""  # the turn being spoken
        self.unwritten: list[str] = []

    def _name(self, kind: str) -> str:
        self.names += 1
        return f"{kind}{self.names}"

    def _tell(self, *events: Event) -> None:
        for event in events:
            for order in self.conversation.receive(event, self.now_ms):
                assert not self.hung_up, f"{order} after the end"
                self._obey(order)

    def _obey(self, order: Command) -> None:
        """What an order means to the session."""
        match order:
            case told.Ask() | told.Say():
                assert self.connected, "asked of nobody"
                assert self.knows, "asked before it was told"
                assert not self.asks, "asked twice"
                assert not self.turn, "asked during an answer"
                self.asks.append(order)
            case told.Cancel(turn):
                assert turn == self.turn
                self.cancelled = True
            case told.Truncate(item, heard_ms):
                assert item in self.items, "the session has no such item"
                assert heard_ms <= PCMU.ms(self.sent[item])
                assert item not in self.truncated
                self.truncated.add(item)
            case told.Answer(request, _):
                self.tools[request] += 1
                assert self.tools[request] == 1
            case told.Remember():
                assert self.connected
                assert not self.asks
                self.knows = True
            case told.Hear():
                assert self.connected
                assert not self.hearing, "heard twice"
                self.hearing = True
            case told.OpenSession() | told.SwitchSession():
                self._obey_about_sessions(order)
            case _:
                self._obey_beside_session(order)

    def _obey_about_sessions(self, order: told.OpenSession | told.SwitchSession) -> None:
        if isinstance(order, told.SwitchSession):
            assert self.spare == "ready", "no session to switch to"
            self._no_session()
            self.connected, self.spare = True, ""
        elif order.spare:
            assert self.connected
            self.spare = "opening"
        else:
            assert not self.opening, "two opened"
            self._no_session()
            self.opening = True

    def _obey_beside_session(self, order: Command) -> None:
        """What it means to the carrier, the clock and the journal."""
        match order:
            case told.Play(audio):
                assert audio
                if audio[0] >= VOICES:
                    self.sent[self.voices[audio[0]]] += len(audio)
            case told.PlaceMark(name):
                self.carrier.append(name)
            case told.StopPlayback():
                self.echoes += self.carrier
                self.carrier.clear()
            case told.StartTimer(timer, after_ms):
                assert 0 <= after_ms < 60_000 or timer in (Timer.HEARD_DUE, Timer.GOODBYE_DUE)
                self.timers[timer] = self.now_ms + after_ms
            case told.StopTimer(timer):
                self.timers.pop(timer, None)
            case told.Record(Turn() as turn):
                assert turn.started_ms <= turn.ended_ms <= self.now_ms
                self.something_said = True
            case told.HangUp():
                self.hung_up += 1
