"""Media stream messages: written as the carrier writes them, read as strictly as it documents."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.phone_messages import (
    Clear,
    Mark,
    Media,
    MessageFault,
    Outgoing,
    encode_audio,
    read_message,
)

SID = "MZ1"
AUDIO = bytes(range(160))


def wire(**message: Any) -> bytes:
    return json.dumps(message).encode()


def media(**changes: Any) -> bytes:
    payload = base64.b64encode(AUDIO).decode()
    return wire(**{"event": "media", "streamSid": SID, "media": {"payload": payload}} | changes)


def test_the_three_messages_an_application_may_send() -> None:
    assert read_message(media(), SID) == Media(AUDIO)
    mark = wire(event="mark", streamSid=SID, mark={"name": "a"})
    assert read_message(mark, SID) == Mark("a")
    assert read_message(wire(event="clear", streamSid=SID), SID) == Clear()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"not json",
        b"[]",
        b"\xff\xfe",
        media(extra=1),
        media(sequenceNumber="1"),
        media(event="Media"),
        media(event="stop"),
        media(media={"payload": "AAAA", "track": "outbound"}),
        media(media={}),
        media(media={"payload": ""}),
        media(media={"payload": "AAA"}),
        media(media={"payload": "A A A A "}),
        media(media={"payload": [1]}),
        media(media={"payload": base64.b64encode(b"RIFF1234WAVE").decode()}),
        wire(event="media", media={"payload": "AAAA"}),
        wire(event="mark", streamSid=SID),
        wire(event="mark", streamSid=SID, mark={"name": 1}),
        wire(event="clear", streamSid=SID, clear={}),
        wire(streamSid=SID),
    ],
)
def test_everything_else_breaks_the_protocol(text: bytes) -> None:
    with pytest.raises(MessageFault) as caught:
        read_message(text, SID)
    assert caught.value.code == 31924


def test_another_streams_message_is_a_warning() -> None:
    with pytest.raises(MessageFault) as caught:
        read_message(media(streamSid="MZ2"), SID)
    assert caught.value.code == 31951


@given(st.binary(max_size=100) | st.recursive(st.text(), st.lists).map(lambda v: wire(event=v)))
def test_no_text_raises_anything_but_its_own_error(text: bytes) -> None:
    with pytest.raises(MessageFault):
        read_message(text, SID)


def test_the_carriers_messages_have_the_documented_shape() -> None:
    out = Outgoing("AC1", "CA1", SID)
    assert json.loads(out.connected()) == {
        "event": "connected",
        "protocol": "Call",
        "version": "1.0.0",
    }
    assert json.loads(out.start({"token": "t"})) == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": SID,
        "start": {
            "accountSid": "AC1",
            "callSid": "CA1",
            "streamSid": SID,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"token": "t"},
        },
    }
    assert json.loads(out.media(encode_audio(AUDIO), 20)) == {
        "event": "media",
        "sequenceNumber": "2",
        "streamSid": SID,
        "media": {
            "track": "inbound",
            "chunk": "1",
            "timestamp": "20",
            "payload": base64.b64encode(AUDIO).decode(),
        },
    }
    assert json.loads(out.dtmf("5"))["dtmf"] == {"track": "inbound_track", "digit": "5"}
    assert json.loads(out.mark("m")) == {
        "event": "mark",
        "sequenceNumber": "4",
        "streamSid": SID,
        "mark": {"name": "m"},
    }
    assert json.loads(out.stop()) == {
        "event": "stop",
        "sequenceNumber": "5",
        "streamSid": SID,
        "stop": {"accountSid": "AC1", "callSid": "CA1"},
    }


def test_scrambled_numbers_are_the_same_numbers_in_another_order() -> None:
    out = Outgoing("AC1", "CA1", SID)
    out.scramble()
    sent = [json.loads(out.media(b"", 0)) for _ in range(8)]
    numbers = [int(message["sequenceNumber"]) for message in sent]
    assert numbers != sorted(numbers)
    assert sorted(numbers)[:7] == list(range(1, 8))
