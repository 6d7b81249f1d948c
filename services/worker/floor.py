"""Whether the agent has the floor: one turn at a time, and at most one waiting. Pure.

Theory of operation. The session allows one active answer. It begins one by itself when the caller's
turn ends, and we ask for others (a greeting, the follow-up to a tool), so both may ask at the same
moment; then ours is refused, sooner or later. So a request is outstanding until its turn begins or
is refused, and nothing more is asked for until then. What we want meanwhile waits in a single
place, the newest wish replacing the older: whatever the agent says next, it says with everything
known that happened until then. A turn the session began by itself fulfils a waiting wish likewise.
"""

from dataclasses import dataclass
from enum import Enum, auto

from services.worker.dialogue import Ask, Cancel, Command, Say


class Phase(Enum):
    IDLE = auto()
    ACTIVE = auto()
    CANCELLING = auto()  # told to stop, not over


@dataclass(slots=True)
class Floor:
    """The state of the agent's turns."""

    phase: Phase = Phase.IDLE
    turn: str = ""  # the one that is active or being cancelled
    wish: Ask | Say | None = None  # what the latest turn was asked with, None: nobody asked
    outstanding: Ask | Say | None = None  # asked for, neither begun nor refused
    waiting: Ask | Say | None = None

    @property
    def free(self) -> bool:
        return self.phase is Phase.IDLE and self.outstanding is None

    @property
    def next_wish(self) -> Ask | Say:
        """What to ask for when an answer has to be asked for again."""
        return self.waiting or self.wish or Ask()

    def ask(self, wish: Ask | Say, *, hold: bool = False) -> list[Command]:
        """Begin a turn, now or as soon as the floor is free."""
        if hold or not self.free:
            self.waiting = wish
            return []
        self.outstanding, self.waiting = wish, None
        return [wish]

    def started(self, turn: str, asked: bool | None) -> None:
        """A turn began; `asked` None: the session does not say whether it is the one asked for."""
        if self.outstanding is not None and asked is not False:
            self.wish, self.outstanding = self.outstanding, None
        else:
            self.wish = None
            if self.outstanding is None:
                self.waiting = None
        self.phase, self.turn = Phase.ACTIVE, turn

    def cancel(self) -> list[Command]:
        """Stop the turn under way; a request that has not begun is stopped when it begins."""
        if self.phase is not Phase.ACTIVE:
            return []
        self.phase = Phase.CANCELLING
        return [Cancel(self.turn)]

    def done(self, turn: str) -> None:
        if self.turn == turn and self.phase is not Phase.IDLE:
            self.phase, self.turn = Phase.IDLE, ""

    def refused(self) -> None:
        """The session would not begin what was asked; the wish stays.

        Nothing outstanding: then the turn that was taken for the one asked for was another.
        """
        if self.waiting is None:
            self.waiting = self.outstanding or self.wish
        self.outstanding = self.wish = None

    def session_lost(self, *, owed: bool, begun: bool) -> None:
        """The next session is asked for what this one owed; what was begun is gone on with."""
        if self.waiting is None and owed:
            self.waiting = Ask() if begun else self.outstanding or self.wish or Ask()
        self.phase, self.turn, self.wish, self.outstanding = Phase.IDLE, "", None, None

    def give_up(self) -> list[Command]:
        """What is under way or outstanding leads to nothing; the wish stays."""
        if self.waiting is None:
            self.waiting = self.outstanding or self.wish
        self.outstanding = None
        return self.cancel()
