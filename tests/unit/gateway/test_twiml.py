"""The documents, and which of them a call gets when its stream has ended."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callfleet.calls import INTENTIONAL_ENDS, EndReason
from callfleet.config import Overflow
from callfleet.config_model import DEFAULT_PROMISE, DEFAULT_SORRY
from services.gateway.carriers import twiml
from services.gateway.carriers.twiml import Facts, Next, what_next

CALL_BACK = Overflow(call_back=True)
DIAL, SAY, BUSY = Overflow(dial="+1555"), Overflow(say="Nobody's <here>."), Overflow(busy=True)


def verbs(document: str) -> list[str]:
    return [verb.tag for verb in ElementTree.fromstring(document)]


def test_connect_carries_everything_twilio_needs() -> None:
    document = twiml.connect(stream_url="wss://x/m/t", action_url="https://x/after", token="t")
    (connect,) = ElementTree.fromstring(document)
    assert (connect.tag, connect.attrib) == ("Connect", {"action": "https://x/after"})
    (stream,) = connect
    assert (stream.tag, stream.attrib) == ("Stream", {"url": "wss://x/m/t"})
    (parameter,) = stream
    assert parameter.attrib == {"name": "token", "value": "t"}


def test_each_overflow() -> None:
    assert verbs(twiml.overflow(DIAL)) == ["Dial"]
    assert verbs(twiml.overflow(SAY)) == ["Say", "Hangup"]
    assert verbs(twiml.overflow(BUSY)) == ["Reject"]
    said = ElementTree.fromstring(twiml.overflow(SAY)).findtext("Say")
    assert said == "Nobody's <here>."


def said_by(document: str) -> str | None:
    return ElementTree.fromstring(document).findtext("Say")


def test_a_call_back_is_promised_to_whom_can_be_called() -> None:
    """In our words or the operator's; nobody promises anything to an anonymous caller."""
    assert verbs(twiml.overflow(CALL_BACK)) == ["Say", "Hangup"]
    assert said_by(twiml.overflow(CALL_BACK)) == DEFAULT_PROMISE
    assert said_by(twiml.overflow(Overflow(call_back="We'll call."))) == "We'll call."
    assert said_by(twiml.overflow(CALL_BACK, anonymous=True)) == DEFAULT_SORRY
    waited = Facts(EndReason.NO_SLOT, anonymous=True)
    assert said_by(twiml.after(waited, CALL_BACK)) == DEFAULT_SORRY


def test_an_answered_call_is_never_busy() -> None:
    assert verbs(twiml.overflow(BUSY, answered=True)) == ["Say", "Hangup"]


@pytest.mark.parametrize(("way", "then"), [(DIAL, "Dial"), (SAY, "Hangup"), (None, "Hangup")])
def test_an_apology_is_followed_by_a_human_or_a_goodbye(way: Overflow | None, then: str) -> None:
    assert verbs(twiml.apology(way)) == ["Say", then]


EXPECTED = dict.fromkeys(INTENTIONAL_ENDS, Next.HANG_UP) | {
    EndReason.LEG_REFUSED: Next.HANG_UP,
    EndReason.NO_SLOT: Next.OVERFLOW,
    EndReason.NO_WORKER: Next.OVERFLOW,
    EndReason.LEG_LOST: Next.APOLOGISE,
    EndReason.SESSION_REFUSED: Next.APOLOGISE,
    EndReason.SESSION_LOST: Next.APOLOGISE,
    EndReason.SLOT_LOST: Next.APOLOGISE,
    EndReason.WORKER_LOST: Next.APOLOGISE,
    EndReason.DRAINED: Next.APOLOGISE,
    EndReason.INTERNAL_ERROR: Next.APOLOGISE,
}


def test_what_comes_after_each_end() -> None:
    assert {reason: what_next(Facts(reason)) for reason in EndReason} == EXPECTED
    assert what_next(Facts(None)) is Next.APOLOGISE  # nobody has said: a gateway was lost


@given(st.none() | st.sampled_from(EndReason), st.sampled_from([DIAL, SAY, BUSY, CALL_BACK, None]))
def test_nobody_is_left_in_silence(reason: EndReason | None, way: Overflow | None) -> None:
    assert verbs(twiml.after(Facts(reason), way))[-1] in ("Hangup", "Dial")
    assert verbs(twiml.after(Facts(reason, is_over=True), way)) == ["Hangup"]
