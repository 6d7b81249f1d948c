"""Twilio Media Streams: the messages of one bidirectional stream. Pure.

Strict about what a call depends on: types, order, the stream's own name, the audio format. Lenient
where Twilio may grow: fields and events it may add are passed over, because a carrier that learns a
new word must not end every call.

Frames are decoded by msgspec into fixed shapes: 0.6 us, half of what slicing bytes by hand took.
What is sent is joined from bytes, as everything but the payload is known when the stream starts.
"""

from binascii import b2a_base64
from enum import StrEnum
from typing import Final, Literal

import msgspec

from callfleet.errors import CallerFault

MAX_MESSAGE_BYTES: Final = 64 * 1024
MAX_CHUNK_BYTES: Final = 8_000  # a second of sound; a frame has 20 ms


class Offence(StrEnum):
    """What a leg can be closed for; a closed set, used as a metric label."""

    MALFORMED = "malformed"
    OVERSIZED = "oversized"
    OUT_OF_ORDER = "out_of_order"
    UNEXPECTED = "unexpected"  # well formed, but not now, or not from this stream
    FLOOD = "flood"
    NOT_READING = "not_reading"
    NEVER_STARTED = "never_started"
    MISMATCH = "mismatch"  # `start` tells of another call than the token
    USED = "used"  # the token's stream has been here


class Started(msgspec.Struct, frozen=True):
    """The stream is up."""

    stream_sid: str
    call_sid: str
    parameters: dict[str, str]


class Digit(msgspec.Struct, frozen=True):
    """The caller pressed a key."""

    digit: str


class MarkPassed(msgspec.Struct, frozen=True):
    """The audio before this mark was played, or cleared away."""

    name: str


class Stopped(msgspec.Struct, frozen=True):
    """The call left the stream: mostly because the caller hung up."""


class PassedOver(msgspec.Struct, frozen=True):
    """Nothing that concerns a call."""


Fact = bytes | Started | Digit | MarkPassed | Stopped | PassedOver
"""What a message says; bytes are the caller's audio, mu-law at 8 kHz."""


class _Format(msgspec.Struct):
    encoding: Literal["audio/x-mulaw"]
    sampleRate: Literal[8000]
    channels: Literal[1]


class _StartBody(msgspec.Struct):
    callSid: str
    mediaFormat: _Format
    customParameters: dict[str, str] = {}


class _MediaBody(msgspec.Struct):
    track: Literal["inbound"]
    payload: bytes


class _DtmfBody(msgspec.Struct):
    digit: Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "#", "A", "B", "C", "D"]


class _MarkBody(msgspec.Struct):
    name: str


class _Connected(msgspec.Struct, tag_field="event", tag="connected"):
    protocol: Literal["Call"]


class _Numbered(msgspec.Struct, tag_field="event"):
    sequenceNumber: int
    streamSid: str


class _Start(_Numbered, tag="start"):
    start: _StartBody


class _Media(_Numbered, tag="media"):
    media: _MediaBody


class _Dtmf(_Numbered, tag="dtmf"):
    dtmf: _DtmfBody


class _Mark(_Numbered, tag="mark"):
    mark: _MarkBody


class _Stop(_Numbered, tag="stop"):
    pass


class _Unknown(msgspec.Struct):
    event: str


# Not strict means here: numbers may be written as strings, as Twilio writes them.
_decode = msgspec.json.Decoder(
    _Media | _Mark | _Dtmf | _Start | _Connected | _Stop, strict=False
).decode
_decode_unknown = msgspec.json.Decoder(_Unknown).decode
_KNOWN: Final = frozenset({"media", "mark", "dtmf", "start", "connected", "stop"})
_PASSED_OVER: Final = PassedOver()


class Dialect:
    """One stream's side of the conversation; the state is what Twilio may say next."""

    def __init__(self) -> None:
        self.stream_sid = ""
        self.gaps = 0  # numbers that Twilio skipped: worth a look, not worth a call
        self._connected = False
        self._sequence = 0
        self._media_head = b""
        self._mark_head = b""
        self.clear = b""  # the message that empties Twilio's buffer

    @property
    def is_opening(self) -> bool:
        """`connected` came, `start` may follow; nothing else may."""
        return self._connected and not self.stream_sid

    def read(self, message: bytes) -> Fact:
        """Raises CallerFault with an Offence."""
        try:
            said = _decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._read_unknown(message)
        if type(said) is _Media:
            self._check(said)
            payload = said.media.payload
            if len(payload) > MAX_CHUNK_BYTES:
                raise CallerFault(Offence.OVERSIZED)
            return payload
        return self._read_rare(said)

    def _read_rare(self, said: "_Mark | _Dtmf | _Start | _Connected | _Stop | _Media") -> Fact:
        match said:
            case _Connected():
                if self._connected:
                    raise CallerFault(Offence.UNEXPECTED)
                self._connected = True
                return _PASSED_OVER
            case _Start():
                return self._begin(said)
        self._check(said)
        match said:
            case _Mark(mark=mark):
                return MarkPassed(mark.name)
            case _Dtmf(dtmf=dtmf):
                return Digit(dtmf.digit)
            case _:
                return Stopped()

    def _begin(self, said: _Start) -> Started:
        if not self._connected or self.stream_sid or not _is_sid(said.streamSid):
            raise CallerFault(Offence.UNEXPECTED)
        self.stream_sid = said.streamSid
        self._sequence = said.sequenceNumber
        ids = b'"streamSid":"' + said.streamSid.encode() + b'"'
        self._media_head = b'{"event":"media",' + ids + b',"media":{"payload":"'
        self._mark_head = b'{"event":"mark",' + ids + b',"mark":{"name":'
        self.clear = b'{"event":"clear",' + ids + b"}"
        return Started(said.streamSid, said.start.callSid, said.start.customParameters)

    def _check(self, said: _Numbered) -> None:
        """It is this stream's, and comes after what came before."""
        if said.streamSid != self.stream_sid:
            raise CallerFault(Offence.UNEXPECTED)
        step = said.sequenceNumber - self._sequence
        if step != 1:
            if step < 1:
                raise CallerFault(Offence.OUT_OF_ORDER)
            self.gaps += step - 1
        self._sequence = said.sequenceNumber

    def _read_unknown(self, message: bytes) -> PassedOver:
        """An event that Twilio did not have when this was written, or rubbish."""
        try:
            event = _decode_unknown(message).event
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise CallerFault(Offence.MALFORMED) from None
        if event in _KNOWN:
            raise CallerFault(Offence.MALFORMED)
        return _PASSED_OVER

    def media(self, audio: bytes) -> bytes:
        """The message that plays this."""
        return self._media_head + b2a_base64(audio, newline=False) + b'"}}'

    def mark(self, name: str) -> bytes:
        """The message that asks to be told when what was sent so far has been played."""
        return self._mark_head + msgspec.json.encode(name) + b"}}"


def _is_sid(text: str) -> bool:
    """It is put into our own JSON unescaped, so it must be what a name of Twilio's is."""
    return 0 < len(text) <= 64 and text.isascii() and text.isalnum()
