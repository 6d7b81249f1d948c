"""What happens in a conversation: facts, told by session, leg and clock. Pure."""

import msgspec

from callfleet.calls import EndReason
from callfleet.journal_entries import Usage
from services.worker.manner import Change, Failure, Outcome, Sound, Timer

# Facts, from the session -------------------------------------------------------------------------


class SessionReady(msgspec.Struct, frozen=True):
    """The session is configured: the line is open. It knows nothing yet of what was said."""

    lifetime_ms: int | None = None  # how long it will last; None: it does not say


class SessionFailed(msgspec.Struct, frozen=True):
    failure: Failure


class SpareReady(msgspec.Struct, frozen=True):
    """A second session stands beside the one in use, configured."""

    lifetime_ms: int | None = None


class SpareFailed(msgspec.Struct, frozen=True):
    failure: Failure


class CallerStartedSpeaking(msgspec.Struct, frozen=True):
    turn: str
    ago_ms: int = 0  # how long before this was noticed


class CallerStoppedSpeaking(msgspec.Struct, frozen=True):
    turn: str
    ago_ms: int = 0


class CallerPaused(msgspec.Struct, frozen=True):
    """We heard them speak and fall silent ourselves: nobody else listens for it."""

    ago_ms: int


class SoundTrouble(msgspec.Struct, frozen=True):
    """Something is wrong with the caller's sound."""

    sound: Sound


class ChangeWanted(msgspec.Struct, frozen=True):
    """Settings are to be changed, as soon as nobody is in the middle of something."""

    change: Change


class ChangeRefused(msgspec.Struct, frozen=True):
    """The session would not have it."""


class CallerTurnEnded(msgspec.Struct, frozen=True):
    """The session took the caller's turn as complete."""

    turn: str


class CallerWords(msgspec.Struct, frozen=True):
    """All the words of a caller's turn; may be late. None: they will never come."""

    turn: str
    text: str | None
    usage: Usage = Usage()  # what writing them down took


class Spent(msgspec.Struct, frozen=True):
    """Something beside the conversation's turns was used."""

    usage: Usage


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
    again_after_ms: int | None = None  # the session's own hint, when it was put off


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
    | SpareReady
    | SpareFailed
    | CallerStartedSpeaking
    | CallerStoppedSpeaking
    | CallerTurnEnded
    | CallerWords
    | Spent
    | CallerPaused
    | SoundTrouble
    | ChangeWanted
    | ChangeRefused
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
