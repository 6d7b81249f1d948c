"""One 20 ms frame of simulated speech: how letters become loud samples, and back.

A frame is 160 symbols: a sync pattern, then hexadecimal digits written as loud samples. They say
which utterance this is, which frame of how many, the letters spoken during these 20 ms, a fixed
noise to fill up, and a checksum over it all. In `audio/pcm` a symbol is one mu-law value held for
three samples, which is what 8 kHz looks like at 24 kHz.
"""

import random
import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

PCMU = "audio/pcmu"
PCMA = "audio/pcma"
PCM = "audio/pcm"
FRAME_MS = 20

_HOLD = 3
_HEADER = struct.Struct(">IHHBB")
_BODY_BYTES = 72
LETTERS_PER_FRAME = (_BODY_BYTES - _HEADER.size) // 4
FRAMES_PER_UTTERANCE = 0xFFFF
_FILL = random.Random("fill").randbytes(_BODY_BYTES)
_DIGITS = b"0123456789abcdef"
_LOUD = bytes([*range(0x90, 0xA0, 2), *range(0x10, 0x20, 2)])  # mu-law codes of -12 to -6 dBFS
_SYNC = bytes([0x88, 0x08, 0x8A, 0x0A, 0x0A, 0x88, 0x8A, 0x08])  # louder: in no digit
_TO_LOUD = bytes.maketrans(_DIGITS, _LOUD)
_FROM_LOUD = bytes(_DIGITS[_LOUD.index(code)] if code in _LOUD else 0 for code in range(256))


def _linear(code: int) -> int:
    code = ~code & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return -magnitude if code & 0x80 else magnitude


_HELD = [struct.pack("<h", _linear(code)) * _HOLD for code in range(256)]
_BY_HIGH_BYTE = {_HELD[code][1]: _FROM_LOUD[code] for code in _LOUD}
_FROM_HIGH_BYTE = bytes(_BY_HIGH_BYTE.get(high, 0) for high in range(256))


@dataclass(frozen=True, slots=True)
class Format:
    """How one of the API's formats writes symbols, and which bytes are silence."""

    bytes_per_ms: int
    quiet: bytes
    sync: bytes
    frame_bytes: int


FORMATS = {
    PCMU: Format(8, b"\xff\x7f", _SYNC, 160),
    PCMA: Format(8, b"\xd5\x55", _SYNC, 160),
    PCM: Format(48, b"\x00", b"".join(_HELD[code] for code in _SYNC), 960),
}


class Frame(NamedTuple):
    """What one frame says: its utterance, of how many frames it is which, and its letters."""

    utterance: int
    total: int
    number: int
    at_word_end: bool
    letters: str


def encode(frame: Frame) -> bytes:
    """The frame as 160 mu-law codes."""
    spoken = frame.letters.encode("utf-8", "surrogatepass")
    header = _HEADER.pack(
        frame.utterance, frame.total, frame.number, frame.at_word_end, len(spoken)
    )
    body = header + spoken + _FILL[len(header) + len(spoken) :]
    digits = body.hex() + f"{zlib.crc32(body):08x}"
    return _SYNC + digits.encode().translate(_TO_LOUD)


def held(codes: bytes) -> bytes:
    """Mu-law codes at 8 kHz as 16 bit samples at 24 kHz."""
    return b"".join(map(_HELD.__getitem__, codes))


def decode(audio: bytes, fmt: Format) -> Frame | None:
    """The frame in exactly one frame's bytes, or nothing when one of them is wrong."""
    if fmt.bytes_per_ms == 48:
        lows, highs = audio[0::6], audio[1::6]
        if lows != audio[2::6] or lows != audio[4::6]:
            return None
        if highs != audio[3::6] or highs != audio[5::6]:
            return None
        digits = highs.translate(_FROM_HIGH_BYTE)
    else:
        digits = audio.translate(_FROM_LOUD)
    try:
        body = bytes.fromhex(digits[len(_SYNC) :].decode())
        if zlib.crc32(body[:-4]) != int.from_bytes(body[-4:], "big"):
            return None
        name, total, number, at_word_end, size = _HEADER.unpack_from(body)
        letters = body[_HEADER.size : _HEADER.size + size].decode("utf-8", "surrogatepass")
    except ValueError:
        return None
    return Frame(name, total, number, bool(at_word_end), letters)
