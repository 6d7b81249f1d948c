"""The documents Twilio is answered with, and the decision which one it is. Pure.

Every way ends with somebody on the line or a sentence and a goodbye, never in silence. `<Connect>`
always carries an `action`: when the stream ends, for whatever reason, Twilio asks us what is next,
so a lost gateway leads back to one that lives.
"""

from enum import Enum
from typing import Final
from xml.sax.saxutils import escape, quoteattr

import msgspec

from callfleet.calls import INTENTIONAL_ENDS, EndReason
from callfleet.config import Overflow
from callfleet.config_model import DEFAULT_SORRY

CONTENT_TYPE: Final = "text/xml"
TOKEN_PARAMETER: Final = "token"  # noqa: S105 # a name, not a token
UNKNOWN_NUMBER: Final = "Sorry, this number is not in service. Goodbye."
APOLOGY: Final = "Sorry, we have a technical problem and cannot go on with this call."
_GOODBYE: Final = "Please call again in a little while. Goodbye."


def document(*verbs: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{"".join(verbs)}</Response>'


def connect(*, stream_url: str, action_url: str, token: str) -> str:
    """Join the call to a media stream; afterwards ask `action_url`."""
    parameter = f"<Parameter name={quoteattr(TOKEN_PARAMETER)} value={quoteattr(token)}/>"
    stream = f"<Stream url={quoteattr(stream_url)}>{parameter}</Stream>"
    return document(f"<Connect action={quoteattr(action_url)}>{stream}</Connect>")


def hang_up() -> str:
    return document("<Hangup/>")


def say(sentence: str) -> str:
    return document(_say(sentence), "<Hangup/>")


def overflow(way: Overflow, *, answered: bool = False, anonymous: bool = False) -> str:
    """What the agent's callers get when nobody can take the call.

    A call that was answered cannot be busy any more: its caller hears a sentence. And nobody
    promises to call back a number that is not known.
    """
    if way.dial is not None:
        return document(_dial(way.dial))
    if way.promise:
        return say(DEFAULT_SORRY if anonymous else way.promise)
    if way.say is not None:
        return say(way.say)
    return say(_GOODBYE) if answered else document('<Reject reason="busy"/>')


def apology(way: Overflow | None) -> str:
    """The call broke: say so, then a human if there is one."""
    if way is not None and way.dial is not None:
        return document(_say(APOLOGY), _dial(way.dial))
    return document(_say(f"{APOLOGY} {_GOODBYE}"), "<Hangup/>")


def _say(sentence: str) -> str:
    return f"<Say>{escape(sentence)}</Say>"


def _dial(number: str) -> str:
    return f"<Dial>{escape(number)}</Dial>"


class Next(Enum):
    """What becomes of a call whose stream has ended."""

    HANG_UP = "hang_up"
    OVERFLOW = "overflow"
    APOLOGISE = "apologise"


class Facts(msgspec.Struct, frozen=True):
    """What is known of a call when Twilio asks how to go on."""

    reason: EndReason | None  # how it ended; None: nobody has said, so a gateway was lost
    is_over: bool = False  # the caller is gone
    anonymous: bool = False


_DONE: Final = (INTENTIONAL_ENDS | {EndReason.LEG_REFUSED}) - {EndReason.SESSION_REFUSED}
_NEVER_SERVED: Final = frozenset({EndReason.NO_SLOT, EndReason.NO_WORKER})


def what_next(facts: Facts) -> Next:
    """Ends somebody wanted are told apart from losses: nobody is called back into a finished call.

    Here a lost call is given up with an apology; joining it to its worker again is a fourth answer.
    """
    if facts.is_over or facts.reason in _DONE:
        return Next.HANG_UP
    if facts.reason in _NEVER_SERVED:
        return Next.OVERFLOW
    return Next.APOLOGISE


def after(facts: Facts, way: Overflow | None) -> str:
    """The document for `what_next`; `way` is None when the call's agent is not known."""
    match what_next(facts):
        case Next.OVERFLOW if way is not None:
            return overflow(way, answered=True, anonymous=facts.anonymous)
        case Next.HANG_UP:
            return hang_up()
        case _:
            return apology(way)
