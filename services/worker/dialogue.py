"""The words in which a conversation is told: what happened, and what is to be done. Pure.

Events are facts, commands are orders. Nothing in here is of one API or one carrier: the Realtime
API is heard through `interpreter`, its successor will be heard through another one, and the leg's
marks are only names. Optional abilities of a session (who ends a turn, who truncates) are not words
of their own but a `Manner`.
"""

from enum import StrEnum

import msgspec

from callfleet.calls import EndReason
from callfleet.journal_entries import Entry, Usage


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How this agent and its session behave in a conversation."""

    greeting: str | None = None  # None: the caller speaks first
    answers_itself: bool = True  # the session begins an answer when the caller's turn ends
    interruptible: bool = True  # the caller's voice stops the agent's
    transcribed: bool = True  # the caller's words will come as text


class Failure(StrEnum):
    """Why a session is of no more use; a metric label."""

    REFUSED = "refused"  # the key, the quota or the model: no other try will help
    MISCONFIGURED = "misconfigured"  # the agent's session settings are not accepted
    EXPIRED = "expired"  # it reached its age
    LOST = "lost"  # the network or the far side


class Outcome(StrEnum):
    """How an agent's turn ended."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    INCOMPLETE = "incomplete"  # too long, or stopped by a content filter
    FAILED = "failed"


class Timer(StrEnum):
    """What the conversation may wait for."""

    ANSWER_DUE = "answer_due"  # a caller should have heard something by now
    ASK_AGAIN = "ask_again"  # the API asked us to come back later
    WORDS_DUE = "words_due"  # a turn waits for the words of an earlier one
    GOODBYE_DUE = "goodbye_due"  # the last words should have been heard by now
    KEYS_DUE = "keys_due"  # no further key was pressed


# Facts, from the session -------------------------------------------------------------------------


class SessionReady(msgspec.Struct, frozen=True):
    """The session is configured: the line is open."""


class SessionFailed(msgspec.Struct, frozen=True):
    failure: Failure


class CallerStartedSpeaking(msgspec.Struct, frozen=True):
    turn: str
    ago_ms: int = 0  # how long before this was noticed


class CallerStoppedSpeaking(msgspec.Struct, frozen=True):
    turn: str
    ago_ms: int = 0


class CallerTurnEnded(msgspec.Struct, frozen=True):
    """The session took the caller's turn as complete."""

    turn: str


class CallerWords(msgspec.Struct, frozen=True):
    """All the words of a caller's turn; may be late. None: they will never come."""

    turn: str
    text: str | None


class AgentTurnStarted(msgspec.Struct, frozen=True):
    turn: str
    asked: bool | None = None  # is it the one we asked for? None: the session does not say


class AgentAudio(msgspec.Struct, frozen=True):
    item: str
    audio: bytes


class AgentAudioEnded(msgspec.Struct, frozen=True):
    """No more sound will come for this item."""

    item: str


class AgentWords(msgspec.Struct, frozen=True):
    """The next words of an item."""

    item: str
    text: str


class AgentSaid(msgspec.Struct, frozen=True):
    """All the words of an item."""

    item: str
    text: str


class ToolAsked(msgspec.Struct, frozen=True):
    """The model wants a tool run."""

    request: str
    tool: str
    arguments: str


class AgentTurnDone(msgspec.Struct, frozen=True):
    turn: str
    outcome: Outcome
    usage: Usage = Usage()
    again_after_ms: int | None = None  # the API's own hint, when it failed


class AskRefused(msgspec.Struct, frozen=True):
    """The session would not begin the turn it was asked for."""

    busy: bool  # because another one is under way


# Facts, from the leg and the clock ---------------------------------------------------------------


class Heard(msgspec.Struct, frozen=True):
    """The carrier has played everything before this mark (or thrown it away)."""

    mark: str


class CallerPressed(msgspec.Struct, frozen=True):
    key: str


class CallerHungUp(msgspec.Struct, frozen=True):
    """The leg is over, for the stated reason."""

    reason: EndReason = EndReason.CALLER_HUNG_UP


class MustLeave(msgspec.Struct, frozen=True):
    """The worker can hold the call no longer."""

    reason: EndReason = EndReason.DRAINED


class TimerFired(msgspec.Struct, frozen=True):
    timer: Timer


Event = (
    SessionReady
    | SessionFailed
    | CallerStartedSpeaking
    | CallerStoppedSpeaking
    | CallerTurnEnded
    | CallerWords
    | AgentTurnStarted
    | AgentAudio
    | AgentAudioEnded
    | AgentWords
    | AgentSaid
    | ToolAsked
    | AgentTurnDone
    | AskRefused
    | Heard
    | CallerPressed
    | CallerHungUp
    | MustLeave
    | TimerFired
)


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


class Answer(msgspec.Struct, frozen=True):
    """What a tool said."""

    request: str
    output: str


class EndCallerTurn(msgspec.Struct, frozen=True):
    """Take what the caller said so far as complete."""


SessionCommand = Ask | Say | Cancel | Truncate | Tell | Answer | EndCallerTurn


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
