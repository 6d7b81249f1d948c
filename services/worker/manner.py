"""How an agent behaves in a conversation, and the few closed sets its words are made of. Pure."""

from enum import StrEnum

import msgspec

from services.worker.spending import Tariff


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How this agent and its session behave in a conversation."""

    greeting: str | None = None  # None: the caller speaks first
    answers_itself: bool = True  # the session begins an answer when the caller's turn ends
    interruptible: bool = True  # the caller's voice stops the agent's
    greeting_interruptible: bool = True
    transcribed: bool = True  # the caller's words will come as text
    tariff: Tariff = Tariff()  # what its models charge
    budget_micro_usd: int | None = None  # what the call may cost; None: whatever it takes
    # Where the session does not find the ends of turns itself: a key does, or a pause.
    turn_key: str | None = None
    pause_ms: int | None = None
    watched: bool = True  # for trouble with the caller's sound
    speak_up: bool = False  # a caller who is too quiet is told, once; no words: the agent's own
    speak_up_words: str | None = None
    # A caller who says nothing is asked, then left; None: never; no words: the agent finds them.
    prompt_after_ms: int | None = None
    goodbye_after_ms: int | None = None
    prompt: str | None = None
    goodbye: str | None = None
    longest_ms: int | None = None  # a call that lasts as long is ended politely
    # A session is changed for a new one so long before its end, or at this age if that is sooner.
    rotate_margin_ms: int = 300_000
    rotate_after_ms: int | None = None


class Sound(StrEnum):
    """What is wrong with the caller's sound; a metric label."""

    FAINT = "faint"
    CLIPPED = "clipped"
    NOISE = "noise"  # and nothing else
    NOTHING = "nothing"  # not even silence arrives


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Settings of a session that may change during a call; None: as it is."""

    instructions: str | None = None
    voice: str | None = None  # only before it was heard
    speed: float | None = None
    listening: str | None = None  # a preset of callfleet.yaml


class Failure(StrEnum):
    """Why a session is of no more use; a metric label."""

    REFUSED = "refused"  # the key, the quota or the model: no other try will help
    MISCONFIGURED = "misconfigured"  # the agent's session settings are not accepted
    EXPIRED = "expired"  # it reached its age
    LOST = "lost"  # the network or the far side
    BUSY = "busy"  # it puts its answers off for longer than a caller waits

    @property
    def passing(self) -> bool:
        """Another session may fare better."""
        return self in (Failure.EXPIRED, Failure.LOST)


class Outcome(StrEnum):
    """How an agent's turn ended."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    INCOMPLETE = "incomplete"  # longer than it may be
    FILTERED = "filtered"  # stopped because of what it says
    FAILED = "failed"
    LIMITED = "limited"  # refused for now: ask again later


class Timer(StrEnum):
    """What the conversation may wait for."""

    ANSWER_DUE = "answer_due"  # a caller should have heard something by now
    ASK_AGAIN = "ask_again"  # the API asked us to come back later
    WORDS_DUE = "words_due"  # a turn waits for the words of an earlier one
    GOODBYE_DUE = "goodbye_due"  # the last words should have been heard by now
    KEYS_DUE = "keys_due"  # no further key was pressed
    FILLER_DUE = "filler_due"  # the caller has waited in silence for long enough
    PLAY_DUE = "play_due"  # the carrier has room for more sound
    HEARD_DUE = "heard_due"  # what was sent should have been heard by now
    CALLER_DUE = "caller_due"  # the caller should have said something by now
    TIME_UP = "time_up"  # the call may not go on for longer
    RECOVERY_DUE = "recovery_due"  # a new session should be there by now
    ROTATE_DUE = "rotate_due"  # the session is getting old
    ROTATE_BY = "rotate_by"  # and cannot be kept for longer
    QUIET_DUE = "quiet_due"  # nobody has spoken for a moment
