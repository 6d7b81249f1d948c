"""Makes the sounds the worker plays when no session can speak: needs the command espeak-ng.

    python services/worker/sounds/generate.py

writes `apology.ulaw` and `filler.ulaw` (8 kHz mu-law, no header) beside itself. They are committed,
so neither installing nor running Callfleet needs a synthesizer. espeak-ng's voice is no beauty, but
free of anybody's rights; put a recording of your own in its place if you like.
"""

import io
import math
import struct
import subprocess
import wave
from pathlib import Path

SENTENCES = {
    "apology": "I am very sorry, we have a technical problem. Please call again in a few minutes."
    " Goodbye.",
    "filler": "One moment, please.",
}
RATE = 8000
TAPS = 48  # of the low-pass filter that must come before the rate goes down


def main() -> None:
    for name, sentence in SENTENCES.items():
        record(name, sentence)


def record(name: str, sentence: str) -> None:
    say = ["espeak-ng", "-v", "en-us", "-s", "150", "-a", "120", "--stdout", sentence]
    spoken = subprocess.run(say, check=True, capture_output=True).stdout  # noqa: S603 # no input
    with wave.open(io.BytesIO(spoken)) as sound:
        rate = sound.getframerate()
        data = sound.readframes(sound.getnframes())
    samples = struct.unpack(f"<{len(data) // 2}h", data[: len(data) & ~1])
    encoded = bytes(mulaw(sample) for sample in resampled(samples, rate))
    frames = -(-len(encoded) // 160)
    Path(__file__).with_name(f"{name}.ulaw").write_bytes(encoded.ljust(frames * 160, b"\xff"))


def resampled(samples: tuple[int, ...], rate: int) -> list[int]:
    """Windowed-sinc interpolation, cut off below the new Nyquist frequency."""
    step, cutoff = rate / RATE, 0.95 * RATE / rate
    out = []
    for number in range(int(len(samples) / step)):
        centre = number * step
        first = max(0, math.ceil(centre - TAPS))
        last = min(len(samples), math.floor(centre + TAPS) + 1)
        total = 0.0
        for at in range(first, last):
            x = (at - centre) * cutoff
            sinc = 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)
            window = 0.5 + 0.5 * math.cos(math.pi * (at - centre) / TAPS)
            total += samples[at] * sinc * window * cutoff
        out.append(max(-32635, min(32635, round(total))))
    return out


def mulaw(sample: int) -> int:
    """G.711."""
    sign = 0x80 if sample < 0 else 0
    magnitude = abs(sample) + 0x84
    segment = max(0, magnitude.bit_length() - 8)
    return ~(sign | segment << 4 | magnitude >> segment + 3 & 0x0F) & 0xFF


if __name__ == "__main__":
    main()
