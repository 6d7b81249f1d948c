"""The messages of a Twilio media stream: written as Twilio writes them, read as strictly as it
documents them.

Twilio's documentation lists what an application may send: `media`, `mark` and `clear`, with exactly
the fields of each. Where it says two things about the rest (31924 an error, 31951 a warning), the
harder one is taken, because what a simulator forgives a carrier may not; only a wrong `streamSid`,
which the error page does not list, is a warning.
"""

import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

_ENCODE = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Media:
    audio: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    pass


Received = Media | Mark | Clear


class MessageFault(Exception):
    """The application said something the protocol does not know."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class _Payload(msgspec.Struct, forbid_unknown_fields=True):
    payload: str


class _Name(msgspec.Struct, forbid_unknown_fields=True):
    name: str


class _MediaMessage(msgspec.Struct, tag_field="event", tag="media", forbid_unknown_fields=True):
    streamSid: str
    media: _Payload


class _MarkMessage(msgspec.Struct, tag_field="event", tag="mark", forbid_unknown_fields=True):
    streamSid: str
    mark: _Name


class _ClearMessage(msgspec.Struct, tag_field="event", tag="clear", forbid_unknown_fields=True):
    streamSid: str


_DECODE = msgspec.json.Decoder(_MediaMessage | _MarkMessage | _ClearMessage)


def read_message(text: bytes, stream_sid: str) -> Received:
    """What the application sent, or `MessageFault` with the carrier's error code."""
    try:
        message = _DECODE.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MessageFault(31924, f"{error}: {_excerpt(text)}") from None
    if message.streamSid != stream_sid:
        raise MessageFault(31951, f"streamSid {message.streamSid!r} is not {stream_sid!r}")
    if isinstance(message, _MediaMessage):
        return Media(_audio(message.media.payload))
    if isinstance(message, _MarkMessage):
        return Mark(message.mark.name)
    return Clear()


def _audio(payload: str) -> bytes:
    try:
        audio = binascii.a2b_base64(payload, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise MessageFault(31924, f"media.payload is not base64: {error}") from None
    if not audio:
        raise MessageFault(31924, "media.payload is empty")
    if audio.startswith(b"RIFF"):
        raise MessageFault(31924, "media.payload begins with a file header, not with audio")
    return audio


def _excerpt(text: bytes, limit: int = 120) -> str:
    shown = text[:limit].decode("utf-8", "replace")
    return shown if len(text) <= limit else f"{shown}... ({len(text)} bytes)"


def encode_audio(frame: bytes) -> bytes:
    return binascii.b2a_base64(frame, newline=False)


class Outgoing:
    """Numbers and writes the carrier's side; `media` is a template: it goes out all the time."""

    def __init__(self, account_sid: str, call_sid: str, stream_sid: str) -> None:
        self.account_sid = account_sid
        self.call_sid = call_sid
        self.stream_sid = stream_sid
        self._sequence = 0
        self._chunk = 0
        self._scrambled = False
        tail = b'"},"streamSid":"' + stream_sid.encode() + b'"}'
        self._media = (
            b'{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d",'
            b'"timestamp":"%d","payload":"%b' + tail
        )

    def scramble(self) -> None:
        """From now on every second pair of sequence numbers and chunks is swapped."""
        self._scrambled = True

    def _next(self) -> int:
        self._sequence += 1
        return self._twist(self._sequence)

    def _twist(self, number: int) -> int:
        if not self._scrambled:
            return number
        return (number, number, number + 1, number - 1)[number % 4]

    @staticmethod
    def connected() -> bytes:
        return b'{"event":"connected","protocol":"Call","version":"1.0.0"}'

    def start(self, parameters: Mapping[str, str], tracks: Sequence[str] = ("inbound",)) -> bytes:
        metadata = {
            "accountSid": self.account_sid,
            "streamSid": self.stream_sid,
            "callSid": self.call_sid,
            "tracks": list(tracks),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": dict(parameters),
        }
        return self._event("start", {"start": metadata})

    def media(self, payload: bytes, timestamp_ms: int) -> bytes:
        self._chunk += 1
        return self._media % (self._next(), self._twist(self._chunk), timestamp_ms, payload)

    def dtmf(self, digit: str) -> bytes:
        return self._event("dtmf", {"dtmf": {"track": "inbound_track", "digit": digit}})

    def mark(self, name: str) -> bytes:
        return self._event("mark", {"mark": {"name": name}})

    def stop(self) -> bytes:
        stop = {"accountSid": self.account_sid, "callSid": self.call_sid}
        return self._event("stop", {"stop": stop})

    def _event(self, event: str, body: Mapping[str, object]) -> bytes:
        sequence = str(self._next())
        ids = {"event": event, "sequenceNumber": sequence, "streamSid": self.stream_sid}
        return _ENCODE.encode({**ids, **body})
