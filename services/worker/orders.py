"""What is to be done in a conversation: orders, to session, leg and shell. Pure."""

from typing import Literal

import msgspec

from callfleet.calls import EndReason
from callfleet.journal_entries import Entry
from services.worker.manner import Change, Timer

# Orders, to the session --------------------------------------------------------------------------


class Ask(msgspec.Struct, frozen=True):
    """Let the agent have its turn."""


class Say(msgspec.Struct, frozen=True):
    """Let the agent say exactly this."""

    text: str


class Cancel(msgspec.Struct, frozen=True):
    """Stop the agent's turn where it is made."""

    turn: str


class Truncate(msgspec.Struct, frozen=True):
    """Make the agent forget what the caller did not hear."""

    item: str
    heard_ms: int


class Tell(msgspec.Struct, frozen=True):
    """Let the agent know something that was not said."""

    text: str


class Advise(msgspec.Struct, frozen=True):
    """Tell the agent what to do with its next turn; the caller is not meant to notice."""

    text: str


class Answer(msgspec.Struct, frozen=True):
    """What a tool said."""

    request: str
    output: str


class ChangeSettings(msgspec.Struct, frozen=True):
    """From the next turn on."""

    change: Change


class EndCallerTurn(msgspec.Struct, frozen=True):
    """Take what the caller said so far as complete."""


class Said(msgspec.Struct, frozen=True):
    """To be remembered: one side's words, as they were heard."""

    role: Literal["caller", "agent"]
    text: str


class ToolUsed(msgspec.Struct, frozen=True):
    """To be remembered: a tool was asked for; `output` None: it has not answered yet."""

    request: str
    tool: str
    arguments: str
    output: str | None = None


class Told(msgspec.Struct, frozen=True):
    """To be remembered: something the agent learnt that nobody said."""

    text: str


Remembered = Said | ToolUsed | Told


class Remember(msgspec.Struct, frozen=True):
    """What happened before this session began, in order."""

    past: tuple[Remembered, ...]


class OpenSession(msgspec.Struct, frozen=True):
    """Have a new session, after about so long; `spare`: beside the one in use."""

    after_ms: int = 0
    spare: bool = False


class SwitchSession(msgspec.Struct, frozen=True):
    """Go on with the spare session; the other one is let go."""


class KeepSound(msgspec.Struct, frozen=True):
    """From so long ago on, the caller's sound may be wanted again; what was before it is not."""

    ago_ms: int


class Hear(msgspec.Struct, frozen=True):
    """Let the session hear the caller: from now on, what no session has heard yet, and before
    that so many milliseconds, though another session heard them; `again`: all that was kept."""

    overlap_ms: int = 0
    again: bool = False


SessionCommand = (
    Ask
    | Say
    | Cancel
    | Truncate
    | Tell
    | Advise
    | Answer
    | EndCallerTurn
    | ChangeSettings
    | Remember
    | OpenSession
    | SwitchSession
    | KeepSound
    | Hear
)


# Orders, to the leg and to the shell -------------------------------------------------------------


class Play(msgspec.Struct, frozen=True):
    audio: bytes


class PlaceMark(msgspec.Struct, frozen=True):
    """Have the carrier say when everything so far was played."""

    name: str


class StopPlayback(msgspec.Struct, frozen=True):
    """Throw away what the carrier has not played yet."""


class Record(msgspec.Struct, frozen=True):
    """Write it into the journal."""

    entry: Entry


class StartTimer(msgspec.Struct, frozen=True):
    """From now on, whether or not it runs already."""

    timer: Timer
    after_ms: int


class StopTimer(msgspec.Struct, frozen=True):
    timer: Timer


class Answered(msgspec.Struct, frozen=True):
    """The agent's first sound came this long after the caller's last: to be measured."""

    after_ms: int
    decided_ms: int | None = None  # of which, until the caller's turn was taken as complete


class Interrupted(msgspec.Struct, frozen=True):
    """The caller spoke over the agent: to be counted."""


class HangUp(msgspec.Struct, frozen=True):
    """The last order: nothing comes after it."""

    reason: EndReason


Command = (
    SessionCommand
    | Play
    | PlaceMark
    | StopPlayback
    | Record
    | StartTimer
    | StopTimer
    | Answered
    | Interrupted
    | HangUp
)
