"""Simulated speech is the proof of every later test, so here it must prove itself."""

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.speech import (
    DAMAGE,
    PCM,
    PCMA,
    PCMU,
    Ear,
    SpeechStarted,
    SpeechStopped,
    Utterance,
    bytes_per_ms,
    silence,
    speak,
    speech_ms,
    spoken_by,
)

FORMATS = st.sampled_from([PCMU, PCM, PCMA])
SENTENCE = "Good morning, I would like to book a cleaning for Tuesday at three, please."


def heard(audio: bytes, fmt: str = PCMU) -> list[Utterance]:
    ear = Ear(fmt)
    ear.hear(audio)
    ear.finish()
    return ear.utterances


def frames(text: str = SENTENCE) -> list[bytes]:
    audio = speak(text)
    return [audio[at : at + 160] for at in range(0, len(audio), 160)]


@given(st.text(min_size=1), FORMATS, st.sampled_from([5.0, 15.0, 400.0]))
def test_any_text_survives(text: str, fmt: str, chars_per_s: float) -> None:
    audio = speak(text, fmt, chars_per_s=chars_per_s)
    duration_ms = speech_ms(text, chars_per_s=chars_per_s)
    assert len(audio) == duration_ms * bytes_per_ms(fmt)
    assert heard(audio, fmt) == [Utterance(text, 0, duration_ms, True, 0, 0, 0)]


@given(st.data(), FORMATS)
def test_a_stream_may_be_cut_anywhere(data: st.DataObject, fmt: str) -> None:
    lead, between = silence(60, fmt), silence(35, fmt)
    stream = lead + speak("Hello there.", fmt) + between + speak("Who is this?", fmt)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=40)))
    ear, events = Ear(fmt), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        events += ear.hear(stream[start:end])
    first, second = ear.utterances
    assert [first.text, second.text] == ["Hello there.", "Who is this?"]
    assert first.complete and second.complete
    assert second.started_ms - first.ended_ms == 35
    assert events == [
        SpeechStarted(60),
        SpeechStopped(first.ended_ms, first),
        SpeechStarted(second.started_ms),
        SpeechStopped(second.ended_ms, second),
    ]
    assert ear.position_ms == len(stream) // bytes_per_ms(fmt)


@given(st.integers(0, 5000), FORMATS)
def test_a_cut_sentence_is_the_words_spoken_by_then(ms: int, fmt: str) -> None:
    cut = speak(SENTENCE, fmt)[: ms * bytes_per_ms(fmt)]
    expected = spoken_by(SENTENCE, ms)
    assert SENTENCE.startswith(expected)
    utterances = heard(cut + silence(120, fmt), fmt)
    if ms < 20:
        assert utterances == []
    else:
        [utterance] = utterances
        assert utterance.text == expected
        assert utterance.complete == (ms >= speech_ms(SENTENCE))
        assert (utterance.lost_frames, utterance.reordered) == (0, 0)


def test_words_grow_with_time_and_are_never_halved() -> None:
    words = SENTENCE.split()
    prefixes = {" ".join(words[:count]) for count in range(len(words) + 1)}
    spoken = [spoken_by(SENTENCE, ms) for ms in range(0, speech_ms(SENTENCE) + 20, 20)]
    assert set(spoken) == prefixes
    assert sorted(spoken, key=len) == spoken


@given(st.integers(1, 200), st.integers(1, 5))
def test_lost_frames_are_seen(first: int, count: int) -> None:
    all_frames = frames()
    first = min(first, len(all_frames) - count - 1)
    [utterance] = heard(b"".join(all_frames[:first] + all_frames[first + count :]))
    assert utterance.lost_frames == count
    assert not utterance.complete
    assert DAMAGE in utterance.text


@given(st.integers(1, 200), st.sampled_from(["repeat", "swap"]))
def test_a_frame_twice_or_late_is_seen(number: int, what: str) -> None:
    all_frames = frames()
    number = min(number, len(all_frames) - 3)
    if what == "repeat":
        all_frames.insert(number, all_frames[number])
    else:
        all_frames[number : number + 2] = reversed(all_frames[number : number + 2])
    utterances = heard(b"".join(all_frames))
    assert not any(utterance.complete for utterance in utterances)
    assert utterances[0].reordered == 1
    assert utterances[0].text != SENTENCE


@settings(max_examples=300)
@given(st.data(), FORMATS)
def test_a_damaged_byte_is_seen(data: st.DataObject, fmt: str) -> None:
    audio = bytearray(speak(SENTENCE, fmt))
    at = data.draw(st.integers(0, len(audio) - 1))
    audio[at] ^= data.draw(st.integers(1, 255))
    utterances = heard(bytes(audio) + silence(200, fmt), fmt)
    assert not any(utterance.complete for utterance in utterances)


@given(st.integers(1, 10_000), st.integers(1, 200))
def test_missing_or_extra_bytes_spoil_only_what_they_touch(at: int, count: int) -> None:
    audio = speak(SENTENCE)
    at = min(at, len(audio) - count - 1)
    shorter = audio[:at] + audio[at + count :] + silence(300) + speak("Next one.")
    *spoiled, fine = heard(shorter)
    assert not any(utterance.complete for utterance in spoiled)
    assert fine.text == "Next one." and fine.complete


def test_a_stream_that_begins_in_the_middle_says_so() -> None:
    [utterance] = heard(speak(SENTENCE)[160 * 50 + 77 :])
    assert utterance.lost_frames == 51
    assert utterance.text.startswith(DAMAGE)
    assert not utterance.complete


def test_silence_inside_a_sentence_is_a_gap_and_a_long_one_ends_it() -> None:
    audio = speak(SENTENCE)
    half = 160 * 100
    [utterance] = heard(audio[:half] + silence(80) + audio[half:])
    assert utterance.complete and utterance.gap_ms == 80
    first, second = heard(audio[:half] + silence(150) + audio[half:])
    assert first.text == spoken_by(SENTENCE, 2000)
    assert second.lost_frames == 100


def test_the_same_words_again_are_another_utterance() -> None:
    utterances = heard(speak("Yes.") * 3)
    assert [(each.text, each.complete) for each in utterances] == [("Yes.", True)] * 3


@pytest.mark.parametrize("fmt", [PCMU, PCM, PCMA])
def test_silence_and_a_tone_are_not_speech(fmt: str) -> None:
    ear = Ear(fmt)
    assert ear.hear(silence(1000, fmt)) == []
    samples = (round(12_000 * math.sin(2 * math.pi * 440 * n / 24_000)) for n in range(24_000))
    assert ear.hear(b"".join(struct.pack("<h", sample) for sample in samples)) == []
    assert ear.hear(bytes(range(256)) * 40) == []
    assert not ear.speaking and ear.utterances == []


def test_the_ear_keeps_no_more_than_a_frame() -> None:
    ear = Ear()
    for _ in range(200):
        ear.hear(speak("Hello")[:100])
        assert len(ear._pending) <= 160


def test_speech_is_loud_and_silence_is_not() -> None:
    samples = struct.unpack("<480h", speak("Hi", PCM)[:960])
    rms = math.sqrt(sum(sample * sample for sample in samples) / 480)
    assert 6_000 < rms < 20_000
    assert abs(sum(samples) / 480) < rms / 4
    assert set(silence(20, PCM)) == {0}


def test_what_is_being_said_can_be_read_before_it_ends() -> None:
    ear = Ear()
    ear.hear(speak(SENTENCE)[: 8 * 1000])
    assert ear.speaking and ear.current is not None
    assert ear.current.text == spoken_by(SENTENCE, 1000)
