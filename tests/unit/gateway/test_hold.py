"""What waiting callers hear: files read and refused, announcements in their place, and the pace."""

import asyncio
import wave
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callfleet.audio import mulaw_level
from callfleet.config import load_config
from callfleet.errors import ConfigFault
from services.gateway import hold
from services.gateway.hold import AHEAD_S, CHUNK_BYTES, CHUNK_S, Tape
from services.gateway.hold_audio import FRAME_BYTES, announcement, hold_loops, ours, read_sound
from services.gateway.mulaw import STEPS, code_of, encoded_pcm16, faded_in, faded_out, sample_of
from simulators.speech import Ear
from tests.virtual_time import run

CONFIG = """
orgs: {main: {sessions: 1, queue: {hold_audio: HOLD}}, other: {sessions: 1}}
agents: {a: {org: main, instructions: Help.}}
"""


@given(st.integers(-32_768, 32_767))
def test_a_sample_is_its_code_to_within_a_step(sample: int) -> None:
    heard = sample_of(code_of(sample))
    assert abs(heard - max(-32_124, min(32_124, sample))) <= max(8, abs(sample) // 16)
    assert sample_of(code_of(heard)) == heard


def test_every_code_but_the_second_zero_means_itself() -> None:
    assert [code for code in range(256) if code_of(sample_of(code)) != code] == [0x7F]


def test_fades_go_from_loud_to_silence_and_back() -> None:
    loud = bytes([0x90, 0x10]) * (CHUNK_BYTES // 2)
    frames = range(0, CHUNK_BYTES, FRAME_BYTES)
    out, back = faded_out(loud, FRAME_BYTES), faded_in(loud, FRAME_BYTES)
    falling = [mulaw_level(out[at : at + FRAME_BYTES]) for at in frames]
    rising = [mulaw_level(back[at : at + FRAME_BYTES]) for at in frames]
    assert len(falling) == STEPS
    assert falling == sorted(falling, reverse=True) and falling[-1] == 0.0
    assert rising == sorted(rising) and rising[-1] == pytest.approx(mulaw_level(loud))


def test_the_sound_that_is_brought_is_quiet_seamless_and_no_speech() -> None:
    loop = ours("hold")
    assert len(loop) % FRAME_BYTES == 0
    samples = [sample_of(code) for code in loop]
    assert max(map(abs, samples)) < 32_767 / 10
    steps = [abs(a - b) for a, b in pairwise(samples)]
    assert abs(samples[-1] - samples[0]) <= max(steps), "no click where it begins again"
    assert all(any(loop[at : at + 8000].strip(b"\xff\x7f")) for at in range(0, len(loop), 8000))
    assert Ear().hear(loop) == []


def test_every_place_in_line_can_be_said() -> None:
    said = [announcement(position) for position in range(1, 51)]
    assert len(set(said)) == 50
    assert said[0] == ours("next")
    assert said[22] == ours("before") + ours("20") + ours("3") + ours("after")
    assert said[39] == ours("before") + ours("40") + ours("after")
    assert announcement(51) == announcement(5_000) == ours("many")
    assert all(len(each) % FRAME_BYTES == 0 for each in said)


def wav(path: Path, *, rate: int = 8000, channels: int = 1, width: int = 2, s: float = 2.0) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.setframerate(rate)
        sample = (1000).to_bytes(2, "little") if width == 2 else bytes([128 + 4])
        out.writeframes(sample * channels * int(rate * s))
    return path


def test_an_operators_sound_is_converted(tmp_path: Path) -> None:
    sixteen = read_sound(wav(tmp_path / "a.wav"))
    assert sixteen == bytes([code_of(1000)]) * 16_000
    assert read_sound(wav(tmp_path / "b.WAV", width=1)) == bytes([code_of(1024)]) * 16_000
    (tmp_path / "c.ulaw").write_bytes(b"\x90" * 16_100)
    assert read_sound(tmp_path / "c.ulaw") == b"\x90" * 16_000, "whole frames"
    assert encoded_pcm16(b"\x00\x80\xff\x7f") == bytes([code_of(-32_768), code_of(32_767)])


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("missing.wav", None, "No such file"),
        ("song.mp3", b"ID3", "must be a .ulaw file, or a .wav file at 8 kHz in mono"),
        ("cd.wav", {"rate": 44_100, "channels": 2}, "44100 Hz, 2 channels, 16 bits, not 8000 Hz"),
        ("short.wav", {"s": 0.5}, "is 0.5 s long"),
        ("broken.wav", b"RIFF", "is no WAV file with PCM samples"),
        ("named.ulaw", b"RIFF" + bytes(16_000), "has a header"),
        ("long.ulaw", 8000 * 901, "is 901.0 s long"),
        ("huge.ulaw", 8000 * 2500, "is longer than 15 minutes"),
    ],
)
def test_a_sound_that_cannot_be_played_is_a_mistake_with_its_path(
    tmp_path: Path, name: str, content: object, why: str
) -> None:
    match content:
        case bytes():
            (tmp_path / name).write_bytes(content)
        case int():
            (tmp_path / name).write_bytes(bytes(content))
        case dict():
            wav(tmp_path / name, **content)
    config, path = load_config(CONFIG.replace("HOLD", name)), str(tmp_path / "callfleet.yaml")
    with pytest.raises(ConfigFault) as fault:
        hold_loops(config, path)
    (mistake,) = fault.value.mistakes
    assert mistake.startswith(f"{path}: orgs.main.queue.hold_audio: {name}: ")
    assert why in mistake


def test_each_org_has_its_own_sound(tmp_path: Path) -> None:
    (tmp_path / "hold.ulaw").write_bytes(b"\x90" * 16_000)
    config = load_config(CONFIG.replace("HOLD", "hold.ulaw"))
    loops = hold_loops(config, str(tmp_path / "callfleet.yaml"))
    assert loops == {"main": b"\x90" * 16_000, "other": ours("hold")}


def test_the_tape_goes_round_and_round() -> None:
    loop = bytes(range(160)) * 13  # no multiple of a chunk
    tape = Tape(loop)
    heard = b"".join(tape.next(3) for _ in range(20))
    assert heard[CHUNK_BYTES:] == (loop * 20)[CHUNK_BYTES : len(heard)]
    assert heard[:CHUNK_BYTES] == faded_in(loop[:CHUNK_BYTES], FRAME_BYTES)
    assert tape.announced == 0


def test_the_place_in_line_is_said_soon_and_then_now_and_then() -> None:
    tape = Tape(b"\x90" * 8000, announce_every_s=5)
    chunks = [tape.next(2) for _ in range(int(30 / CHUNK_S))]
    assert all(len(chunk) == CHUNK_BYTES for chunk in chunks)
    heard = b"".join(chunks)
    said = announcement(2)
    places = [at for at in range(len(heard)) if heard.startswith(said, at)]
    assert tape.announced == len(places) >= 4
    assert 1.5 < places[0] / 8000 < 3
    gaps = [b - a for a, b in pairwise(places)]
    assert all(5 <= (gap - len(said)) / 8000 < 7 for gap in gaps)


def test_nobody_is_told_a_place_that_is_not_known() -> None:
    tape = Tape(b"\x90" * 8000, announce_every_s=5)
    tape.next(None)  # comes up softly
    assert b"".join(tape.next(None) for _ in range(60)).strip(b"\x90") == b""
    assert tape.announced == 0


class Ears:
    """Notes when each chunk came."""

    def __init__(self) -> None:
        self.came: list[float] = []

    def play(self, audio: bytes) -> None:
        assert len(audio) == CHUNK_BYTES
        self.came.append(asyncio.get_running_loop().time())

    def ahead_s(self, began: float, now: float) -> float:
        return len(self.came) * CHUNK_S - (now - began)


def test_it_is_never_sent_much_ahead_nor_too_late() -> None:
    async def play() -> None:
        ears, now = Ears(), asyncio.get_running_loop().time
        playing = asyncio.create_task(hold.play(Tape(b"\x90" * 8000), ears, lambda: None))
        began = now()
        for _ in range(200):
            await asyncio.sleep(0.05)
            assert 0 < ears.ahead_s(began, now()) <= AHEAD_S + 0.002
        playing.cancel()
        await asyncio.wait((playing,))

    run(play())


def test_what_a_slow_process_missed_is_not_made_up_for() -> None:
    async def play() -> None:
        ears, loop = Ears(), asyncio.get_running_loop()
        playing = asyncio.create_task(hold.play(Tape(b"\x90" * 8000), ears, lambda: None))
        await asyncio.sleep(1)
        before = len(ears.came)
        real = loop.time
        loop.time = lambda: real() + 60  # type: ignore[method-assign] # the process stood still
        await asyncio.sleep(0.3)
        assert len(ears.came) - before <= 4
        playing.cancel()
        await asyncio.wait((playing,))

    run(play())
