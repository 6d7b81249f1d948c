"""Makes what waiting callers hear: `services/gateway/sounds/*.ulaw`. Run it to make them anew.

The hold sound is computed: four soft broken chords, plucked sines of two partials each. Notes ring
on past the loop's end into its beginning, so the loop has no seam to click at. It is kept quiet,
about -24 dBFS at its loudest: people listen to it for minutes with a phone at the ear.

The announcements are spoken by espeak-ng (needed only to make them, not to play them) in parts that
are put together for a place in line: "You are number" + "twenty" + "three" + "in line."
"""

import math
import shutil
import subprocess
import sys
import tempfile
import wave
from array import array
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from services.gateway.mulaw import encoded  # noqa: E402 # the path is made known above

TO: Final = ROOT / "services" / "gateway" / "sounds"
RATE: Final = 8000
CHORD_S: Final = 3.0
PEAK: Final = 32_767 * 10 ** (-24 / 20)
CHORDS: Final = (  # MIDI numbers; each line a bass note and an arpeggio over it
    (48, 64, 67, 71, 74, 71, 67),  # C major 9
    (45, 60, 64, 67, 72, 67, 64),  # A minor 7
    (41, 57, 60, 64, 69, 64, 60),  # F major 7
    (43, 59, 62, 64, 71, 64, 62),  # G 6
)
WORDS: Final = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
SPOKEN: Final = {
    "before": "You are number",
    "after": "in line.",
    "many": "More than fifty callers are in line before you.",
    "next": "You are next in line.",
    **{str(number): word for number, word in enumerate(WORDS, 1)},
    **{"20": "twenty", "30": "thirty", "40": "forty", "50": "fifty"},
}


def hold() -> bytes:
    length = int(RATE * CHORD_S * len(CHORDS))
    mix = [0.0] * length
    for at, (bass, *notes) in enumerate(CHORDS):
        began = at * CHORD_S
        _pluck(mix, bass, began, loudness=0.8, ring_s=1.6)
        for place, note in enumerate(notes):
            _pluck(mix, note, began + place * CHORD_S / 6, loudness=0.5, ring_s=0.9)
    loudest = max(abs(sample) for sample in mix)
    return encoded(round(sample / loudest * PEAK) for sample in mix)


def _pluck(mix: list[float], note: int, began_s: float, *, loudness: float, ring_s: float) -> None:
    """Add one note; what rings on past the end rings into the beginning."""
    turn = 2 * math.pi * 440 * 2 ** ((note - 69) / 12) / RATE
    start = int(began_s * RATE)
    for n in range(int(ring_s * 5 * RATE)):
        rise = min(1.0, n / (0.02 * RATE))
        swell = loudness * rise * math.exp(-n / (ring_s * RATE))
        tone = math.sin(turn * n) + 0.25 * math.sin(2 * turn * n)
        mix[(start + n) % len(mix)] += swell * tone


def spoken(text: str) -> bytes:
    """Said by espeak-ng, brought to 8 kHz, trimmed of silence."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "said.wav"
        command = [shutil.which("espeak-ng") or "espeak-ng", "-v", "en-us+f3", "-s", "150"]
        subprocess.run([*command, "-w", str(path), text], check=True)
        with wave.open(str(path)) as said:
            rate, samples = said.getframerate(), array("h", said.readframes(said.getnframes()))
    slow = _resampled(samples, rate)
    loudest = max(abs(sample) for sample in slow)
    level = 32_767 * 10 ** (-14 / 20) / loudest
    return encoded(round(sample * level) for sample in _trimmed(slow, loudest * 0.01))


def _resampled(samples: "array[int]", rate: int) -> list[float]:
    """By a windowed sinc that keeps what a telephone can carry, below 3.6 kHz."""
    cutoff, reach = 2 * 3600 / rate, 48
    found = []
    for n in range(len(samples) * RATE // rate):
        middle = n * rate / RATE
        total = 0.0
        for at in range(max(0, int(middle) - reach), min(len(samples), int(middle) + reach)):
            off = at - middle
            sinc = 1.0 if off == 0 else math.sin(math.pi * cutoff * off) / (math.pi * cutoff * off)
            window = 0.5 + 0.5 * math.cos(math.pi * off / (reach + 1))
            total += samples[at] * sinc * window * cutoff
        found.append(total)
    return found


def _trimmed(samples: list[float], threshold: float) -> list[float]:
    loud = [n for n, sample in enumerate(samples) if abs(sample) > threshold]
    return samples[max(0, loud[0] - 80) : loud[-1] + 160]


def main() -> None:
    TO.mkdir(exist_ok=True)
    (TO / "hold.ulaw").write_bytes(hold())
    for name, text in SPOKEN.items():
        (TO / f"{name}.ulaw").write_bytes(spoken(text))


if __name__ == "__main__":
    main()
