"""What the ear says of a caller's sound, in each way that sound is written."""

import bisect
import math
import random
from array import array
from collections.abc import Iterable

import pytest

from callfleet.audio import PCM, PCMA, PCMU, AudioFormat
from services.worker.dialogue import CallerPaused, Sound, SoundTrouble
from services.worker.ear import PAUSE_SAMPLE_EVERY, SAMPLE_EVERY, Ear

FRAME = 160
WINDOW_S = 5


def linear(code: int) -> int:
    """A mu-law code as a sample (G.711)."""
    code = ~code & 0xFF
    size = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return -size if code & 0x80 else size


_MULAW = sorted(range(256), key=linear)
_SIZES = [linear(code) for code in _MULAW]


def written(samples: Iterable[float], fmt: AudioFormat) -> bytes:
    whole = [max(-32_767, min(32_767, round(sample))) for sample in samples]
    if fmt is PCM:
        return array("h", [sample for sample in whole for _ in range(3)]).tobytes()
    if fmt is PCMA:
        return bytes(_alaw(sample) for sample in whole)
    return bytes(_nearest(sample) for sample in whole)


def _nearest(sample: int) -> int:
    place = bisect.bisect_left(_SIZES, sample)
    near = [n for n in (place - 1, place) if 0 <= n < 256]
    return _MULAW[min(near, key=lambda n: abs(_SIZES[n] - sample))]


def _alaw(sample: int) -> int:
    size, sign = min(abs(sample) >> 4, 0x7FF), 0x80 if sample >= 0 else 0
    segment = max(0, size.bit_length() - 4)
    mantissa = size >> max(segment - 1, 0) & 0x0F
    return (sign | segment << 4 | mantissa) ^ 0x55


def tone(loud: float, frames: int, fmt: AudioFormat = PCMU) -> list[bytes]:
    one = written((loud * math.sin(0.3 * n) for n in range(FRAME)), fmt)
    return [one] * frames


def speech(loud: float, frames: int, fmt: AudioFormat = PCMU) -> list[bytes]:
    """Syllables, and gaps between them."""
    syllable, gap = tone(loud, 1, fmt)[0], tone(2, 1, fmt)[0]
    return [syllable if n // 7 % 3 else gap for n in range(frames)]


def heard(frames: list[bytes], fmt: AudioFormat = PCMU, **options: int) -> list[object]:
    """As a call listens: to one frame in so many."""
    ear = Ear(fmt, **options)
    facts = [ear.hear(frame) for frame in frames[ear.every - 1 :: ear.every]]
    return [fact for fact in facts if fact is not None]


FORMATS = pytest.mark.parametrize("fmt", [PCMU, PCMA, PCM], ids=lambda fmt: fmt.name)


@FORMATS
def test_an_ordinary_voice_is_no_trouble(fmt: AudioFormat) -> None:
    assert heard(speech(6_000, 3000, fmt), fmt) == []


@FORMATS
def test_a_faint_voice_is_told_of_once(fmt: AudioFormat) -> None:
    assert heard(speech(300, 3000, fmt), fmt) == [SoundTrouble(Sound.FAINT)]


@FORMATS
def test_silence_is_no_faint_voice(fmt: AudioFormat) -> None:
    assert heard([fmt.silence(20)] * 3000, fmt) == []
    assert heard(tone(5, 3000, fmt), fmt) == []  # a line's own hiss


@FORMATS
def test_clipping_is_heard(fmt: AudioFormat) -> None:
    assert heard(speech(120_000, 3000, fmt), fmt) == [SoundTrouble(Sound.CLIPPED)]


@FORMATS
def test_steady_noise_is_no_voice(fmt: AudioFormat) -> None:
    chance = random.Random(1)
    noise = [written((chance.gauss(0, 3_000) for _ in range(FRAME)), fmt) for _ in range(40)] * 75
    assert heard(noise, fmt) == [SoundTrouble(Sound.NOISE)]


def test_trouble_that_ended_is_told_of_again_when_it_returns() -> None:
    faint, good = speech(300, 1500), speech(6_000, 1500)
    assert heard(faint + good + faint) == [SoundTrouble(Sound.FAINT)] * 2


def test_one_bad_window_is_nothing_yet() -> None:
    assert heard(speech(300, WINDOW_S * 50) + speech(6_000, 500)) == []


def test_nothing_that_arrives_is_told_of_once_until_something_does() -> None:
    ear = Ear(PCMU)
    told = [ear.count(size, at_ms) for at_ms, size in (
        (0, 0), (1000, 160), (2000, 160), (3900, 160), (4100, 160), (5000, 160),
        (6000, 320), (9100, 320),
    )]  # fmt: skip
    assert told == [None] * 4 + [SoundTrouble(Sound.NOTHING)] + [None] * 2 + [
        SoundTrouble(Sound.NOTHING)
    ]


def test_a_pause_after_speech_is_told_once() -> None:
    frames = speech(6_000, 100) + [PCMU.silence(20)] * 200 + speech(6_000, 100)
    facts = heard(frames + [PCMU.silence(20)] * 200, pause_ms=1_000)
    assert len(facts) == 2
    for fact in facts:
        assert isinstance(fact, CallerPaused)
        assert 1_000 <= fact.ago_ms <= 1_000 + PAUSE_SAMPLE_EVERY * 20


def test_silence_alone_is_no_pause() -> None:
    assert heard([PCMU.silence(20)] * 500, pause_ms=500) == []


def test_odd_frames_do_no_harm() -> None:
    for fmt in (PCMU, PCMA, PCM):
        ear = Ear(fmt)
        assert ear.level(b"") == 0
        assert ear.level(fmt.quiet) <= 1  # A-law has no zero
        ear.level(b"\x01" * 7)
    assert SAMPLE_EVERY == 10
