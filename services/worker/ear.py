"""An ear on the caller's sound: what is wrong with it, and where they paused. Pure.

Theory of operation. One frame in ten is looked at (in five, where pauses matter), and of it only
the mean of its logarithmic codes: mu-law bytes are a logarithm already, so a frame is one
`translate` and one `sum`: measured four microseconds, that is 0.4 per frame of the call. Five
seconds of such levels are judged together; what is found twice running is told, once, until a good
window has come between. Levels are steps of mu-law: 0 is silence, 127 full scale, sixteen are about
six decibels.
"""

from array import array
from typing import Final

from callfleet.audio import PCM, PCMA, AudioFormat
from services.worker.dialogue import CallerPaused, Sound, SoundTrouble

FRAME_MS: Final = 20
SAMPLE_EVERY: Final = 10  # frames
PAUSE_SAMPLE_EVERY: Final = 5
NOTHING_MS: Final = 3_000

_WINDOW_MS: Final = 5_000
_FULL: Final = 127
_CLIPPED_SHARE: Final = 20  # a frame is clipped when one sample in so many is at full scale
_CLIPPED_FRAMES: Final = 5  # and a window when one frame in so many is
_HEARD: Final = 10  # below is silence, or a line's own hiss
_FAINT: Final = 32  # where not even the loudest frame gets above
_SWING: Final = 8  # speech goes up and down by more
_NOISY: Final = 40  # where not even the softest frame gets below
_STEADY: Final = 16
_SPOKEN: Final = 36
_SPOKEN_SAMPLES: Final = 2

_MULAW: Final = bytes(~code & 0x7F for code in range(256))


def _step(magnitude: int) -> int:
    """Of a linear sample, as mu-law has it: three bits of segment, four of what is in it."""
    biased = magnitude + 0x84
    bits = biased.bit_length()
    return min(_FULL, (bits - 8) * 16 + (biased >> bits - 5 & 0x0F))


def _alaw_magnitude(code: int) -> int:
    """Of an A-law code (G.711): its steps are others than mu-law's."""
    code ^= 0x55
    segment, rest = (code & 0x70) >> 4, (code & 0x0F) << 4
    return rest + 0x08 if segment == 0 else rest + 0x108 << segment - 1


_ALAW: Final = bytes(_step(_alaw_magnitude(code)) for code in range(256))
_STEPS: Final = bytes(_step(size << 3) for size in range(4097))


class Ear:
    """Of one call. `pause_ms`: the caller's turn is to be ended after so much silence."""

    def __init__(self, fmt: AudioFormat, *, pause_ms: int | None = None) -> None:
        self.every = SAMPLE_EVERY if pause_ms is None else PAUSE_SAMPLE_EVERY
        self._linear = fmt is PCM
        self._table = _ALAW if fmt is PCMA else _MULAW
        self._sample_ms = self.every * FRAME_MS
        self._window = _WINDOW_MS // self._sample_ms
        self._levels: list[int] = []
        self._clipped = 0
        self._suspected: Sound | None = None
        self._told: Sound | None = None
        self._pause_ms = pause_ms
        self._spoken = 0
        self._quiet_ms = 0
        self._bytes = -1
        self._bytes_at_ms = 0
        self._missed = False

    def level(self, frame: bytes) -> int:
        """The mean step of a frame."""
        steps = self._steps(frame)
        if not steps:
            return 0
        if steps.count(_FULL) * _CLIPPED_SHARE >= len(steps):
            self._clipped += 1
        return sum(steps) // len(steps)

    def _steps(self, frame: bytes) -> bytes:
        if not self._linear:
            return frame.translate(self._table)
        samples = array("h", frame[: len(frame) & ~1])[::6]
        return bytes(_STEPS[abs(sample) >> 3] for sample in samples)

    def hear(self, frame: bytes) -> CallerPaused | SoundTrouble | None:
        """A sampled frame; says what is wrong when that has become plain, or that a pause came."""
        level = self.level(frame)
        if self._pause_ms is not None and self._paused(level, self._pause_ms):
            return CallerPaused(self._quiet_ms)
        self._levels.append(level)
        if len(self._levels) < self._window:
            return None
        found = self._judge(max(self._levels), min(self._levels))
        self._levels.clear()
        self._clipped = 0
        return self._news(found)

    def _judge(self, loudest: int, softest: int) -> Sound | None:
        if self._clipped * _CLIPPED_FRAMES >= self._window:
            return Sound.CLIPPED
        if softest >= _NOISY and loudest - softest < _STEADY:
            return Sound.NOISE
        if _HEARD <= loudest < _FAINT and loudest - softest >= _SWING:
            return Sound.FAINT
        return None

    def _news(self, found: Sound | None) -> SoundTrouble | None:
        """Only what was suspected before, and was not told already."""
        suspected, self._suspected = self._suspected, found
        if found is None:
            self._told = None
            return None
        if found is not suspected or found is self._told:
            return None
        self._told = found
        return SoundTrouble(found)

    def _paused(self, level: int, pause_ms: int) -> bool:
        if level >= _SPOKEN:
            self._spoken += 1
            self._quiet_ms = 0
            return False
        self._quiet_ms += self._sample_ms
        if self._spoken < _SPOKEN_SAMPLES or self._quiet_ms < pause_ms:
            return False
        self._spoken = 0
        return True

    def count(self, size: int, now_ms: int) -> SoundTrouble | None:
        """Asked about once a second: `size` bytes have come so far."""
        if size != self._bytes:
            self._bytes, self._bytes_at_ms, self._missed = size, now_ms, False
        elif not self._missed and now_ms - self._bytes_at_ms >= NOTHING_MS:
            self._missed = True
            return SoundTrouble(Sound.NOTHING)
        return None
