"""Whether the agent has the floor: one turn at a time, and at most one waiting. Pure.

Theory of operation. The session allows one active answer. It begins one by itself when the caller's
turn ends, and we ask for others (a greeting, the follow-up to a tool), so both may ask at the same
moment. What we want while the floor is taken waits in a single place, the newest wish replacing the
older: whatever the agent says next, it says with everything known that happened until then. A turn
the session began by itself fulfils a waiting wish for the same reason.
"""

from dataclasses import dataclass
from enum import Enum, auto

from services.worker.dialogue import Ask, Cancel, Command, Say


class Phase(Enum):
    IDLE = auto()
    REQUESTED = auto()  # asked for, not begun
    ACTIVE = auto()
    CANCELLING = auto()  # told to stop, not over


@dataclass(slots=True)
class Floor:
    """The state of the agent's turns."""

    phase: Phase = Phase.IDLE
    turn: str = ""  # the one that is active or being cancelled
    wish: Ask | Say | None = None  # what the turn under way was asked with, None: nobody asked
    waiting: Ask | Say | None = None

    def ask(self, wish: Ask | Say, *, hold: bool = False) -> list[Command]:
        """Begin a turn, now or as soon as the floor is free."""
        if hold or self.phase is not Phase.IDLE:
            self.waiting = wish
            return []
        self.phase, self.wish, self.waiting = Phase.REQUESTED, wish, None
        return [wish]

    def started(self, turn: str) -> None:
        if self.phase is Phase.IDLE:
            self.wish = self.waiting = None
        self.phase, self.turn = Phase.ACTIVE, turn

    def cancel(self) -> list[Command]:
        """Stop the turn under way; a request that has not begun is stopped when it begins."""
        if self.phase is not Phase.ACTIVE:
            return []
        self.phase = Phase.CANCELLING
        return [Cancel(self.turn)]

    def done(self, turn: str) -> None:
        if self.turn == turn and self.phase in (Phase.ACTIVE, Phase.CANCELLING):
            self.phase, self.turn = Phase.IDLE, ""

    def refused(self) -> None:
        """The session would not begin what was asked; the wish stays."""
        if self.wish is not None and self.waiting is None:
            self.waiting = self.wish
        self.wish = None
        if self.phase is Phase.REQUESTED:
            self.phase = Phase.IDLE
