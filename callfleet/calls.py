"""What a call is: its name, how it begins, how it ends. Pure.

A `CallStart` is written once, by the gateway, and travels unchanged over the link, into the journal
and into the database: every later page of a call's story is joined to it by `call_id`.
"""

from enum import StrEnum
from typing import NewType

import msgspec

CallId = NewType("CallId", str)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford: no i l o u, safe to read aloud


def new_call_id(now_ms: int, entropy: bytes) -> CallId:
    """A name that sorts by birth: 48 bits of time, then 80 of chance, as `c` + 26 letters."""
    assert len(entropy) == 10
    number = (now_ms & (1 << 48) - 1) << 80 | int.from_bytes(entropy)
    letters = (_ALPHABET[number >> shift & 31] for shift in range(125, -5, -5))
    return CallId("c" + "".join(letters))


def is_call_id(text: str) -> bool:
    """True for what `new_call_id` could have made; asked of everything that comes from outside."""
    return len(text) == 27 and text[0] == "c" and all(letter in _ALPHABET for letter in text[1:])


class LegKind(StrEnum):
    """Who is on the other side of the leg."""

    TWILIO = "twilio"
    BROWSER = "browser"


class EndReason(StrEnum):
    """How a call ended; a closed set, used as a metric label and as a column."""

    CALLER_HUNG_UP = "caller_hung_up"
    AGENT_HUNG_UP = "agent_hung_up"
    CALLER_SILENT = "caller_silent"  # nobody said anything for too long
    TIME_LIMIT = "time_limit"  # it lasted as long as a call may
    BUDGET_SPENT = "budget_spent"  # it cost as much as a call may
    LEG_LOST = "leg_lost"  # the media socket died without a goodbye
    LEG_REFUSED = "leg_refused"  # the carrier or browser sent rubbish, flooded or lied
    NO_SLOT = "no_slot"  # the org's or agent's limit was reached
    NO_WORKER = "no_worker"  # nobody alive with room
    SESSION_REFUSED = "session_refused"  # the API said no: bad key, no quota, unknown model
    SESSION_LOST = "session_lost"  # the API went away during the call
    SLOT_LOST = "slot_lost"  # somebody else took the call over
    WORKER_LOST = "worker_lost"
    DRAINED = "drained"  # the worker had to leave before the call was done
    INTERNAL_ERROR = "internal_error"


INTENTIONAL_ENDS = frozenset(
    {
        EndReason.CALLER_HUNG_UP,
        EndReason.AGENT_HUNG_UP,
        EndReason.CALLER_SILENT,
        EndReason.TIME_LIMIT,
        EndReason.BUDGET_SPENT,
        EndReason.SESSION_REFUSED,
    }
)
"""Ends nobody should try to repair: somebody wanted the call to be over, or the API insists."""


class CallStart(msgspec.Struct, frozen=True):
    """Everything known of a call when a worker, or nobody, gets it.

    What a newer gateway adds is passed over by an older worker: both run while a fleet is updated.
    """

    call_id: CallId
    org: str
    agent: str
    leg: LegKind
    caller: str  # E.164 where the carrier gives it, "anonymous" otherwise
    called: str
    carrier_call_id: str
    audio: str  # the leg's format, one of callfleet.audio.FORMATS
    started_at_ms: int  # unix, when the webhook was answered
    traceparent: str = ""  # W3C trace context; empty when tracing is off
    waited_ms: int = 0  # how long its caller was held until there was a slot, or no hope of one


def encode_start(start: CallStart) -> bytes:
    """As it travels on the link and rests in the journal."""
    return msgspec.json.encode(start)


def decode_start(data: bytes) -> CallStart:
    """Raises `msgspec.DecodeError` (and its child `ValidationError`) on anything else."""
    return msgspec.json.decode(data, type=CallStart)
