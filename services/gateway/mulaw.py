"""Mu-law (G.711) for sounds that are made or read once: to it from 16-bit samples, and fading it.

Calls are never transcoded; this serves hold audio at the start of a process, and a fade now and
then, which is one `translate` a frame because a gain maps each of the 256 codes to another. Pure.
"""

from array import array
from collections.abc import Iterable
from functools import cache
from typing import Final

_CLIP: Final = 32_635
_BIAS: Final = 0x84
STEPS: Final = 10  # of a fade, a frame each


def code_of(sample: int) -> int:
    """One signed 16-bit sample as its mu-law code."""
    magnitude = min(abs(sample), _CLIP) + _BIAS
    segment = magnitude.bit_length() - 8
    code = segment << 4 | magnitude >> segment + 3 & 0x0F
    return ~(code | (0x80 if sample < 0 else 0)) & 0xFF


def sample_of(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + _BIAS << (code >> 4 & 7)) - _BIAS
    return -magnitude if code & 0x80 else magnitude


@cache
def _codes() -> bytes:
    """By the sample plus 32768: minutes of sound are read at the start of a process."""
    return bytes(code_of(sample) for sample in range(-32_768, 32_768))


def encoded(samples: Iterable[int]) -> bytes:
    codes = _codes()
    return bytes([codes[sample + 32_768] for sample in samples])


def encoded_pcm16(data: bytes) -> bytes:
    """Little-endian 16-bit samples."""
    samples = array("h", data)
    if array("H", b"\x01\x00")[0] != 1:  # a big-endian machine
        samples.byteswap()
    return encoded(samples)


@cache
def _quieter(step: int) -> bytes:
    gain = (STEPS - step) / STEPS
    return bytes(code_of(round(sample_of(code) * gain)) for code in range(256))


def faded_out(audio: bytes, frame_bytes: int) -> bytes:
    """From as loud as it is to silence, over STEPS frames; what follows is silence."""
    pieces = [audio[at : at + frame_bytes] for at in range(0, len(audio), frame_bytes)]
    return b"".join(
        piece.translate(_quieter(min(step, STEPS))) for step, piece in enumerate(pieces, 1)
    )


def faded_in(audio: bytes, frame_bytes: int) -> bytes:
    """From silence to as loud as it is, over STEPS frames."""
    pieces = [audio[at : at + frame_bytes] for at in range(0, len(audio), frame_bytes)]
    return b"".join(
        piece.translate(_quieter(max(STEPS - step, 0))) for step, piece in enumerate(pieces, 1)
    )
