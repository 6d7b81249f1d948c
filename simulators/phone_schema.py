"""Which TwiML element may hold which attributes, values and children: the carrier's schema as a
table.

Only the part of TwiML that answers and moves calls is performed here. The other verbs are named so
that using one is reported as what it is, a verb this carrier does not perform, and not as a
spelling mistake.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Check = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Element:
    attributes: Mapping[str, Check] = field(default_factory=dict)
    children: frozenset[str] = frozenset()
    text: bool = False


def _one_of(*values: str) -> Check:
    return lambda value: value in values


def _number(low: int, high: int) -> Check:
    return lambda value: bool(re.fullmatch(r"\d{1,9}", value)) and low <= int(value) <= high


def _method(value: str) -> bool:
    return value.upper() in ("GET", "POST")


def _url(value: str) -> bool:
    return bool(value) and not re.search(r"\s", value)


def _any(_value: str) -> bool:
    return True


def _caller_id(value: str) -> bool:
    return bool(re.fullmatch(r"\+?[1-9]\d{4,14}|client:\S+|sip:\S+", value))


_flag = _one_of("true", "false")
_record = _one_of(
    "do-not-record",
    "record-from-answer",
    "record-from-ringing",
    "record-from-answer-dual",
    "record-from-ringing-dual",
    "true",
    "false",
)
_SSML: Mapping[str, Mapping[str, Check]] = {
    "break": {"strength": _any, "time": _any},
    "emphasis": {"level": _any},
    "lang": {"xml:lang": _any, "{http://www.w3.org/XML/1998/namespace}lang": _any},
    "p": {},
    "phoneme": {"alphabet": _any, "ph": _any},
    "prosody": {"volume": _any, "rate": _any, "pitch": _any},
    "s": {},
    "say-as": {"interpret-as": _any, "format": _any, "role": _any},
    "sub": {"alias": _any},
    "w": {"role": _any},
}
NOT_PLAYED = frozenset({"Gather", "Record", "Enqueue", "Leave", "Refer", "Pay", "Prompt"})
NOT_PLAYED |= {"Sms", "Queue", "Start", "Stop", "Siprec", "Transcription"}
_PLAYED = frozenset({"Say", "Play", "Pause", "Hangup", "Reject", "Redirect", "Connect", "Dial"})

ELEMENTS: Mapping[str, Element] = {
    "Response": Element(children=_PLAYED | NOT_PLAYED),
    "Say": Element(
        {"voice": _any, "language": _any, "loop": _number(0, 1000)}, frozenset(_SSML), text=True
    ),
    **{name: Element(attributes, frozenset(_SSML), True) for name, attributes in _SSML.items()},
    "Play": Element(
        {"loop": _number(0, 1000), "digits": lambda v: bool(re.fullmatch(r"[0-9*#wW,]+", v))},
        text=True,
    ),
    "Pause": Element({"length": _number(1, 1000)}),
    "Hangup": Element(),
    "Reject": Element({"reason": _one_of("rejected", "busy")}),
    "Redirect": Element({"method": _method}, text=True),
    "Connect": Element({"action": _url, "method": _method}, frozenset({"Stream"})),
    "Stream": Element(
        {
            "url": _any,  # judged when it is dialled: its errors have codes of their own
            "name": _any,
            "track": _one_of("inbound_track", "outbound_track", "both_tracks"),
            "statusCallback": _url,
            "statusCallbackMethod": _method,
        },
        frozenset({"Parameter"}),
    ),
    "Parameter": Element({"name": _any, "value": _any}),
    "Dial": Element(
        {
            "action": _url,
            "method": _method,
            "timeout": _number(5, 600),
            "timeLimit": _number(1, 14400),
            "callerId": _caller_id,
            "answerOnBridge": _flag,
            "hangupOnStar": _flag,
            "ringTone": _any,
            "record": _record,
            "recordingStatusCallback": _url,
            "recordingStatusCallbackMethod": _method,
            "sequential": _flag,
        },
        frozenset({"Number", "Sip"}),
        text=True,
    ),
    "Number": Element(
        {
            "sendDigits": _any,
            "url": _url,
            "method": _method,
            "statusCallback": _url,
            "statusCallbackMethod": _method,
            "statusCallbackEvent": _any,
        },
        text=True,
    ),
    "Sip": Element(
        {
            "username": _any,
            "password": _any,
            "url": _url,
            "method": _method,
            "statusCallback": _url,
            "statusCallbackMethod": _method,
            "statusCallbackEvent": _any,
        },
        text=True,
    ),
}
