"""Turn detection by the audio's own clock, and what turns and responses cost."""

from typing import Any

import pytest

from simulators.realtime_hearing import CallerIdle, Heard, InputAudio, TurnBegan, TurnEnded
from simulators.realtime_items import Item
from simulators.realtime_usage import Ledger, TokenBucket, hint
from simulators.speech import PCMU, silence, speak, speech_ms, spoken_by

SERVER: dict[str, Any] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": 5000,
}


def feed(hearing: InputAudio, audio: bytes, size: int = 160) -> list[Heard]:
    heard: list[Heard] = []
    for at in range(0, len(audio), size):
        heard += hearing.feed(audio[at : at + size])
    return heard


@pytest.mark.parametrize("size", [37, 160, 4000, 1_000_000])
def test_a_turn_ends_after_the_silence_whatever_the_pieces(size: int) -> None:
    hearing = InputAudio(PCMU, SERVER)
    first = speak("One thing") + silence(300) + speak("and another.")
    stream = silence(1000) + first + silence(700)
    heard = feed(hearing, stream, size)
    assert [type(each) for each in heard] == [TurnBegan, TurnEnded]
    ended_ms = 1000 + speech_ms("One thing") + 300 + speech_ms("and another.")
    assert heard == [TurnBegan(700), TurnEnded(ended_ms + 500)]
    turn = hearing.commit()
    assert (turn.text, turn.complete) == ("One thing and another.", True)


def test_two_turns_in_one_piece_are_two() -> None:
    hearing = InputAudio(PCMU, SERVER)
    stream = speak("First.") + silence(600) + speak("Second.") + silence(600)
    kinds = [type(each) for each in hearing.feed(stream)]
    assert kinds == [TurnBegan, TurnEnded, TurnBegan, TurnEnded]


def test_a_cut_or_damaged_turn_is_not_complete() -> None:
    hearing = InputAudio(PCMU, SERVER)
    words = "I would like to book a cleaning."
    feed(hearing, speak(words)[:9600] + silence(600))
    turn = hearing.commit()
    assert turn.text == spoken_by(words, 1200) and not turn.complete


def test_a_threshold_above_the_voice_hears_nothing() -> None:
    hearing = InputAudio(PCMU, SERVER | {"threshold": 0.95})
    assert feed(hearing, speak("Hello?") + silence(900)) == []
    assert hearing.commit().text == ""


def test_idleness_is_counted_from_the_end_of_playback_and_only_once() -> None:
    hearing = InputAudio(PCMU, SERVER)
    feed(hearing, silence(1000))
    hearing.expect_caller(after_ms=2000)
    assert feed(hearing, silence(6900)) == []
    assert feed(hearing, silence(200)) == [CallerIdle(3000, 8000)]
    assert feed(hearing, silence(20_000)) == []
    hearing.expect_caller(after_ms=0)
    heard = feed(hearing, silence(4000) + speak("I am here.") + silence(8000))
    assert [type(each) for each in heard] == [TurnBegan, TurnEnded]


@pytest.mark.parametrize(
    ("said", "eagerness", "wait_ms"),
    [
        ("That is all.", "low", 300),
        ("I was wondering", "high", 2000),
        ("I was wondering", "medium", 4000),
        ("I was wondering...", "low", 8000),
    ],
)
def test_semantic_detection_waits_by_eagerness(said: str, eagerness: str, wait_ms: int) -> None:
    hearing = InputAudio(PCMU, {"type": "semantic_vad", "eagerness": eagerness})
    begun = feed(hearing, speak(said) + silence(wait_ms - 20))
    assert [type(each) for each in begun] == [TurnBegan]
    assert [type(each) for each in feed(hearing, silence(40))] == [TurnEnded]


def test_without_detection_only_commits_make_turns() -> None:
    hearing = InputAudio(PCMU, None)
    assert feed(hearing, speak("Hello.") + silence(2000)) == []
    assert hearing.buffered_ms() == speech_ms("Hello.") + 2000
    assert hearing.commit().text == "Hello."
    assert hearing.buffered_ms() == 0 and not hearing.committable()


def message(role: str, audio_ms: int, words: str = "words") -> Item:
    wire = {"id": role, "type": "message", "role": role, "content": []}
    return Item(wire, words, audio_ms=audio_ms)


def test_audio_costs_600_tokens_a_minute_heard_and_1200_spoken() -> None:
    items = [message("user", 60_000), message("assistant", 60_000)]
    context = Ledger().context("", [], items)
    assert (context.audio, context.text) == (1800, 0)


def test_the_cache_holds_the_last_context_until_the_instructions_change() -> None:
    ledger = Ledger()
    items = [message("user", 60_000)]
    first = ledger.context("Be kind.", [], items)
    ledger.read(first, text_out=10, audio_out=100)
    second = ledger.context("Be kind.", [], [*items, message("assistant", 5_000)])
    assert (first.cached_audio, second.cached_audio) == (0, 640)
    usage = second.usage(5, 50)
    details = usage["input_token_details"]
    assert details["cached_tokens"] <= usage["input_tokens"]
    assert ledger.context("Be rude.", [], items).cached_audio == 0


def test_the_allowance_refills_with_time() -> None:
    now = 0.0
    bucket = TokenBucket("m", 6000, lambda: now)
    bucket.take(6000)
    assert bucket.wait_s(100) == pytest.approx(1.0)
    now = 1.0
    assert bucket.wait_s(100) == 0.0
    assert bucket.state()[0]["remaining"] == 100
    assert TokenBucket("m", None, lambda: now).wait_s(10**9) == 0.0


def test_waits_are_written_as_the_api_writes_them() -> None:
    assert [hint(each) for each in (0.32, 6.232, 59.5, 86.4)] == [
        "320ms",
        "6.232s",
        "59.5s",
        "1m26.4s",
    ]
