"""Twilio's media dialect: what its messages mean, and what no carrier sends."""

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callfleet.errors import CallerFault
from services.gateway.carriers.twilio import (
    Dialect,
    Digit,
    MarkPassed,
    Offence,
    PassedOver,
    Started,
    Stopped,
)

CONNECTED = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}


def message(event: str, number: int, **body: Any) -> dict[str, Any]:
    return {"event": event, "sequenceNumber": str(number), "streamSid": "MZ1", **body}


def a_start(**changes: Any) -> dict[str, Any]:
    start = {
        "accountSid": "AC1",
        "callSid": "CA1",
        "streamSid": "MZ1",
        "tracks": ["inbound"],
        "mediaFormat": FORMAT,
        "customParameters": {"token": "t"},
    }
    return message("start", 1, start=start | changes)


def media(number: int, audio: bytes = b"\xff" * 160, **changes: Any) -> dict[str, Any]:
    body = {"track": "inbound", "chunk": "1", "timestamp": "5"}
    body |= {"payload": b64encode(audio).decode()} | changes
    return message("media", number, media=body)


def encoded(said: dict[str, Any]) -> bytes:
    return json.dumps(said).encode()


def started() -> Dialect:
    dialect = Dialect()
    dialect.read(encoded(CONNECTED))
    dialect.read(encoded(a_start()))
    return dialect


def offence(dialect: Dialect, said: dict[str, Any] | bytes) -> str:
    with pytest.raises(CallerFault) as fault:
        dialect.read(said if isinstance(said, bytes) else encoded(said))
    return Offence(str(fault.value))


def test_a_stream_from_its_beginning_to_its_end() -> None:
    dialect = Dialect()
    assert isinstance(dialect.read(encoded(CONNECTED)), PassedOver)
    assert dialect.read(encoded(a_start())) == Started("MZ1", "CA1", {"token": "t"})
    assert dialect.read(encoded(media(2, b"hello"))) == b"hello"
    key = message("dtmf", 3, dtmf={"track": "inbound_track", "digit": "#"})
    assert dialect.read(encoded(key)) == Digit("#")
    mark = message("mark", 4, mark={"name": "m\u00fc"})
    assert dialect.read(encoded(mark)) == MarkPassed("m\u00fc")
    stop = message("stop", 5, stop={"accountSid": "AC1", "callSid": "CA1"})
    assert dialect.read(encoded(stop)) == Stopped()
    assert dialect.gaps == 0


def test_twilios_own_example_of_a_media_message_is_read() -> None:
    dialect = started()
    example = (
        b'{ "event": "media", "sequenceNumber": "3", "media": { "track": "inbound", "chunk": "1", '
        b'"timestamp": "5", "payload": "no+JhoaJjpz=" } ,"streamSid": "MZ1" }'
    )
    assert dialect.read(example) == bytes.fromhex("9e8f898686898e9c")
    assert dialect.gaps == 1  # number 2 never came: noted, and borne


@given(st.binary(max_size=2000))
def test_audio_comes_through_whatever_it_is(audio: bytes) -> None:
    assert started().read(encoded(media(2, audio))) == audio


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", Offence.MALFORMED),
        (b"[" * 50_000, Offence.MALFORMED),
        (b'"media"', Offence.MALFORMED),
        (b'{"event":"media"}', Offence.MALFORMED),
        (b"\xff\xfe", Offence.MALFORMED),
        (media(2, payload="not base64!"), Offence.MALFORMED),
        (media(2, payload=7), Offence.MALFORMED),
        (media(2, track="outbound"), Offence.MALFORMED),
        (media(2) | {"sequenceNumber": "two"}, Offence.MALFORMED),
        (message("dtmf", 2, dtmf={"digit": "55"}), Offence.MALFORMED),
        (media(2, b"x" * 8001), Offence.OVERSIZED),
        (media(1), Offence.OUT_OF_ORDER),
        (media(0), Offence.OUT_OF_ORDER),
        (media(2) | {"streamSid": "MZ2"}, Offence.UNEXPECTED),
        (a_start(), Offence.UNEXPECTED),
        (CONNECTED, Offence.UNEXPECTED),
    ],
)
def test_what_no_carrier_sends_is_refused(said: dict[str, Any] | bytes, why: Offence) -> None:
    assert offence(started(), said) == why


@pytest.mark.parametrize(
    "changes",
    [
        {"mediaFormat": FORMAT | {"encoding": "audio/pcm"}},
        {"mediaFormat": FORMAT | {"sampleRate": 16000}},
        {"customParameters": {"token": 7}},
        {"callSid": None},
    ],
)
def test_a_stream_in_another_format_is_refused(changes: dict[str, Any]) -> None:
    dialect = Dialect()
    dialect.read(encoded(CONNECTED))
    assert offence(dialect, a_start(**changes)) == Offence.MALFORMED


def test_order_at_the_beginning() -> None:
    assert offence(Dialect(), a_start()) == Offence.UNEXPECTED
    opening = Dialect()
    assert not opening.is_opening
    opening.read(encoded(CONNECTED))
    assert opening.is_opening
    assert offence(opening, a_start() | {"streamSid": 'MZ"1'}) == Offence.UNEXPECTED


def test_a_number_once_seen_never_comes_again() -> None:
    dialect = started()
    dialect.read(encoded(media(5)))
    assert offence(dialect, media(4)) == Offence.OUT_OF_ORDER
    dialect.read(encoded(media(6)))


def test_what_twilio_may_add_is_passed_over() -> None:
    dialect = started()
    news = message("weather", 2, weather={"sky": "blue"})
    assert isinstance(dialect.read(encoded(news)), PassedOver)
    assert dialect.read(encoded(media(3, b"x") | {"mood": "good"})) == b"x"


@given(st.binary(max_size=300) | st.from_regex(rb'\{"event":"[a-z]{1,9}".{0,60}\}', fullmatch=True))
def test_no_bytes_raise_anything_but_a_callers_fault(noise: bytes) -> None:
    dialect = started()
    try:
        dialect.read(noise)
    except CallerFault as fault:
        assert str(fault) in set(Offence)


@given(st.binary(min_size=1, max_size=2000), st.text(max_size=40))
def test_what_is_sent_is_what_twilio_expects(audio: bytes, name: str) -> None:
    dialect = started()
    payload = b64encode(audio).decode()
    assert json.loads(dialect.media(audio)) == {
        "event": "media",
        "streamSid": "MZ1",
        "media": {"payload": payload},
    }
    assert json.loads(dialect.mark(name)) == {
        "event": "mark",
        "streamSid": "MZ1",
        "mark": {"name": name},
    }
    assert json.loads(dialect.clear) == {"event": "clear", "streamSid": "MZ1"}
