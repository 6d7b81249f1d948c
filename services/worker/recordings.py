"""The sounds the worker has at hand when no session can speak, in the leg's own format.

Kept as 8 kHz mu-law, as a telephone needs it; other legs get it converted once, at first use.
"""

import functools
from importlib.resources import files

from callfleet.audio import PCM, PCMU, AudioFormat


@functools.cache
def apology(fmt: AudioFormat) -> bytes:
    """Says that something broke and to call again."""
    return _recorded("apology", fmt)


@functools.cache
def filler(fmt: AudioFormat) -> bytes:
    """Asks for a moment's patience."""
    return _recorded("filler", fmt)


def _recorded(name: str, fmt: AudioFormat) -> bytes:
    return _converted((files("services.worker") / "sounds" / f"{name}.ulaw").read_bytes(), fmt)


def _converted(ulaw: bytes, fmt: AudioFormat) -> bytes:
    if fmt is PCMU:
        return ulaw
    samples = [_LINEAR[code] for code in ulaw]
    if fmt is PCM:
        held = fmt.rate // PCMU.rate  # each sample that often: plain, and good enough for speech
        return b"".join(sample.to_bytes(2, "little", signed=True) * held for sample in samples)
    return bytes(_alaw(sample) for sample in samples)


def _linear(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return -magnitude if code & 0x80 else magnitude


def _alaw(sample: int) -> int:
    sign = 0x00 if sample < 0 else 0x80
    magnitude = abs(sample) >> 3
    segment = max(0, magnitude.bit_length() - 5)
    code = segment << 4 | magnitude >> max(1, segment) & 0x0F
    return (sign | code) ^ 0x55


_LINEAR = [_linear(code) for code in range(256)]
