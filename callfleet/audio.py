"""Audio formats and their arithmetic: bytes to milliseconds and back, silence, level. Pure.

Nothing here transcodes: mu-law from a carrier goes to the API as mu-law. What is needed 50 times a
second per call is table look-ups on bytes.
"""

import builtins
from dataclasses import dataclass
from typing import Final

FRAME_MS: Final = 20  # what carriers send


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """One way to write sound as bytes."""

    name: str  # the API's name for it
    rate: int
    sample_bytes: int
    quiet: bytes  # one sample of silence

    @property
    def bytes_per_ms(self) -> int:
        return self.rate * self.sample_bytes // 1000

    def ms(self, size_bytes: int) -> int:
        """Whole milliseconds in so many bytes, rounded down: never more than was there."""
        return size_bytes // self.bytes_per_ms

    def bytes(self, duration_ms: int) -> int:
        return duration_ms * self.bytes_per_ms

    def silence(self, duration_ms: int) -> builtins.bytes:
        return self.quiet * (self.bytes(duration_ms) // self.sample_bytes)


PCMU: Final = AudioFormat("audio/pcmu", 8000, 1, b"\xff")
PCMA: Final = AudioFormat("audio/pcma", 8000, 1, b"\xd5")
PCM: Final = AudioFormat("audio/pcm", 24000, 2, b"\x00\x00")

FORMATS: Final = {fmt.name: fmt for fmt in (PCMU, PCMA, PCM)}


def _mulaw_magnitude(code: int) -> int:
    """The 16-bit magnitude of a mu-law code (G.711): eight segments of sixteen steps."""
    code = ~code & 0xFF
    return (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84


# Per code, the magnitude in units of 1/128 of full scale, so that it fits a byte and a frame's mean
# is one `translate` and one `sum`: about a microsecond.
_LOUDNESS: Final = bytes(min(255, _mulaw_magnitude(code) >> 7) for code in range(256))


def mulaw_level(frame: bytes) -> float:
    """Mean loudness of a mu-law frame, 0 (silence) to 1 (full scale)."""
    if not frame:
        return 0.0
    return sum(frame.translate(_LOUDNESS)) / (len(frame) * 251)
