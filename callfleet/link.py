"""Gateway-worker frames: encode, decode. Pure.

One WebSocket joins a gateway to a worker and carries every call they share. A binary message is one
version byte and any number of frames:

    stream u32 | kind u8, size u24 (as one u32) | payload        all little-endian

A call is a stream; the gateway opens it and numbers it upwards from 1, and a number is never used
again on that connection. Stream 0 is the connection's own.

Rolling upgrades: a kind this build does not know is skipped (and counted), so a newer peer may add
kinds which an older one can do without. What a peer must not miss needs a new VERSION, and another
version is refused at the upgrade, before a call depends on it. A frame that contradicts itself ends
the link; a payload that makes no sense ends its stream only.
"""

from enum import IntEnum
from struct import Struct
from typing import Final

import msgspec

from callfleet.calls import CallStart, EndReason, decode_start, encode_start
from callfleet.errors import AtCapacity, CallEnded, Ending, LinkFault, NoWorker

VERSION: Final = 1
PATH: Final = "/link"  # where a worker listens for gateways

MAX_PAYLOAD: Final = 64 * 1024
"""Bytes in one frame; longer audio is cut into several."""

MAX_MESSAGE: Final = 1024 * 1024
"""Bytes in one message; a longer batch is cut at frame borders."""

CALLER_AUDIO_BOUND: Final = 16_000
"""Bytes of a caller's audio (2 s of mu-law) that may wait for a slow link, a stream; beyond it the
oldest are dropped and counted: an agent who hears late is worse than one who misses a word."""

AGENT_AUDIO_BOUND: Final = 1_000_000
"""Bytes of an agent's audio (2 min of mu-law) that may wait for a slow link, a stream; beyond it
the stream is closed: dropping part of an answer would make the agent talk nonsense."""

UNSENT_BOUND: Final = 16 * 1024 * 1024
"""Bytes of all streams that may wait for a slow link; beyond it the link itself is given up."""

_NAME_BOUND: Final = 256  # bytes in a mark's name
_DIGITS: Final = frozenset("0123456789*#ABCD")


class Kind(IntEnum):
    """What a frame is. Numbers are for ever: never reuse one."""

    HELLO = 1  # worker -> gateway, first of all: the worker's proof that it knows the secret
    PING = 2  # both ways
    PONG = 3
    OPEN = 4  # gateway -> worker: a call begins
    ACCEPTED = 5  # worker -> gateway: its answer is one of these two
    REFUSED = 6
    AUDIO = 7  # both ways, in the leg's format
    MARK = 8  # worker -> gateway: say when this point is played; and back: it was (or was cleared)
    CLEAR = 9  # worker -> gateway: forget what is not played yet
    DTMF = 10  # gateway -> worker: a key was pressed
    CLOSE = 11  # both ways: this stream is over, for this reason


class Open(msgspec.Struct, frozen=True):
    """A call for the worker."""

    start: CallStart


class Accepted(msgspec.Struct, frozen=True):
    """The worker has taken the call."""


class Refused(msgspec.Struct, frozen=True):
    """The worker has not taken the call; `again`: another worker may."""

    reason: EndReason
    again: bool


class Mark(msgspec.Struct, frozen=True):
    """A named point in the agent's audio."""

    name: str


class Clear(msgspec.Struct, frozen=True):
    """Forget the audio that is not played yet."""


class Dtmf(msgspec.Struct, frozen=True):
    """One key of the caller's phone."""

    digit: str


class Close(msgspec.Struct, frozen=True):
    """The stream is over.

    From the gateway `SLOT_LOST` means: the call was given to another worker, write nothing about
    it. From the worker any reason means: the call is over and its journal says so.
    """

    reason: EndReason


REFUSALS: Final[dict[type[Ending], EndReason]] = {
    AtCapacity: EndReason.NO_SLOT,
    NoWorker: EndReason.NO_WORKER,
    CallEnded: EndReason.SLOT_LOST,
}
"""Why a worker does not take a call, as the gateway is told."""

GIVEN_AWAY: Final = EndReason.SLOT_LOST
"""How a gateway closes a stream whose call it has given, or will give, to another worker."""

Frame = Open | Accepted | Refused | Mark | Clear | Dtmf | Close


_HEADER: Final = Struct("<II")
_PREFIX: Final = bytes([VERSION])
_AUDIO: Final = Kind.AUDIO << 24
_SIZE_MASK: Final = 0xFFFFFF
_pack = _HEADER.pack
_unpack_from = _HEADER.unpack_from


def raw(kind: Kind, stream: int, payload: bytes = b"") -> bytes:
    """A frame whose payload is already bytes."""
    assert len(payload) <= MAX_PAYLOAD
    return _pack(stream, kind << 24 | len(payload)) + payload


def audio(stream: int, sound: bytes) -> bytes:
    """An AUDIO frame: the hot path, so no checks; the caller keeps to MAX_PAYLOAD."""
    return _pack(stream, _AUDIO | len(sound)) + sound


def encode(stream: int, frame: Frame) -> bytes:
    """A frame for the wire."""
    match frame:
        case Open(start):
            return raw(Kind.OPEN, stream, encode_start(start))
        case Accepted():
            return raw(Kind.ACCEPTED, stream)
        case Refused(reason, again):
            return raw(Kind.REFUSED, stream, bytes([again]) + reason.encode())
        case Mark(name):
            # The name's bound is the receiver's to enforce: the sender's own streams pay for it.
            return raw(Kind.MARK, stream, name.encode())
        case Clear():
            return raw(Kind.CLEAR, stream)
        case Dtmf(digit):
            return raw(Kind.DTMF, stream, digit.encode())
        case Close(reason):
            return raw(Kind.CLOSE, stream, reason.encode())


def decode(kind: int, payload: bytes) -> Frame | None:
    """The meaning of a frame, AUDIO and the connection's own kinds excepted.

    None: a kind this build does not know. Raises LinkFault when the payload makes no sense.
    """
    try:
        return _decoded(kind, payload)
    except (ValueError, IndexError, msgspec.MsgspecError) as fault:
        name = Kind(kind).name if kind in _KNOWN else str(kind)
        raise LinkFault(f"a {name} frame makes no sense") from fault


def _decoded(kind: int, payload: bytes) -> Frame | None:
    match kind:
        case Kind.OPEN:
            return Open(decode_start(payload))
        case Kind.REFUSED:
            return Refused(_reason(payload[1:]), again=payload[0] != 0)
        case Kind.MARK if len(payload) <= _NAME_BOUND:
            return Mark(payload.decode())
        case Kind.DTMF if (digit := payload.decode()) in _DIGITS:
            return Dtmf(digit)
        case Kind.CLOSE:
            return Close(_reason(payload))
        case Kind.ACCEPTED if not payload:
            return Accepted()
        case Kind.CLEAR if not payload:
            return Clear()
        case _ if kind in _KNOWN:
            raise ValueError(kind)
        case _:
            return None


_KNOWN: Final = frozenset(int(kind) for kind in Kind)
_REASONS: Final = frozenset(reason.value for reason in EndReason)


def _reason(payload: bytes) -> EndReason:
    """A reason that only a newer peer knows still ends the call: it is ours to call it internal."""
    text = payload.decode("ascii")
    return EndReason(text) if text in _REASONS else EndReason.INTERNAL_ERROR


def messages(frames: list[bytes]) -> list[bytes]:
    """Frames as WebSocket messages, in order, each within MAX_MESSAGE; nearly always one."""
    whole = _PREFIX + b"".join(frames)
    if len(whole) <= MAX_MESSAGE:
        return [whole]
    cut: list[bytes] = []
    batch, size = [_PREFIX], 1
    for frame in frames:
        if size + len(frame) > MAX_MESSAGE:
            cut.append(b"".join(batch))
            batch, size = [_PREFIX], 1
        batch.append(frame)
        size += len(frame)
    cut.append(b"".join(batch))
    return cut


def split(message: bytes) -> list[tuple[int, int, bytes]]:
    """The frames of a message as (kind, stream, payload). Raises LinkFault on anything else."""
    if not message or message[0] != VERSION:
        raise LinkFault("a message of another link version")
    frames = []
    at, end = 1, len(message)
    while at < end:
        if end - at < 8:
            raise LinkFault("a frame's header is cut short")
        stream, shape = _unpack_from(message, at)
        start = at + 8
        at = start + (shape & _SIZE_MASK)
        if at > end:
            raise LinkFault("a frame's payload is cut short")
        frames.append((shape >> 24, stream, message[start:at]))
    return frames


def audio_size(frame: bytes, stream: int) -> int | None:
    """Bytes of sound in a frame of our own making, or None: it is not that stream's audio."""
    if not frame or _unpack_from(frame) != (stream, _AUDIO | len(frame) - _HEADER.size):
        return None
    return len(frame) - _HEADER.size
