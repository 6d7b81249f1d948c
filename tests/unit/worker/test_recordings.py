"""The apology is there, in every format, and it is speech."""

import pytest

from callfleet.audio import FORMATS, FRAME_MS, PCM, PCMA, PCMU, AudioFormat, mulaw_level
from services.worker.recordings import apology


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=lambda fmt: fmt.name)
def test_it_lasts_as_long_in_every_format(fmt: AudioFormat) -> None:
    sound = apology(fmt)
    assert fmt.ms(len(sound)) == PCMU.ms(len(apology(PCMU)))
    assert 3_000 < fmt.ms(len(sound)) < 10_000
    assert len(sound) % fmt.bytes(FRAME_MS) == 0


def test_it_can_be_heard() -> None:
    assert 0.02 < mulaw_level(apology(PCMU)) < 0.5


def test_conversions_agree() -> None:
    ulaw, alaw, linear = apology(PCMU), apology(PCMA), apology(PCM)
    samples = [
        int.from_bytes(linear[at : at + 2], "little", signed=True)
        for at in range(0, len(linear), 6)
    ]
    assert len(samples) == len(ulaw)
    for code, sample in zip(alaw[:8000], samples[:8000], strict=True):
        assert abs(_alaw_decoded(code) - sample) <= max(16, abs(sample) // 16)


def _alaw_decoded(code: int) -> int:
    """G.711, written down a second time."""
    code ^= 0x55
    segment, step = code >> 4 & 7, code & 0x0F
    magnitude = (step << 4) + 8 if segment == 0 else ((step << 4) + 0x108) << (segment - 1)
    return magnitude if code & 0x80 else -magnitude
