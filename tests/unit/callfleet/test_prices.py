"""What things cost: to the token, from the table in force, and never guessed."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callfleet import prices
from callfleet.journal_entries import Usage
from callfleet.prices import (
    Price,
    Rates,
    cost_micro_usd,
    price_of,
    session_cost,
    transcription_cost,
)

TODAY = date(2026, 11, 20)


def test_a_price_is_found_for_dated_names_and_never_guessed() -> None:
    assert price_of("gpt-4o-mini-2024-07-18", TODAY) == price_of("gpt-4o-mini", TODAY)
    assert price_of("gpt-realtime-mini-2025-10-06", TODAY) == price_of("gpt-realtime-mini", TODAY)
    transcribes = price_of("gpt-4o-mini-transcribe", TODAY)
    assert transcribes is not None and transcribes.per_minute == 0.003
    assert price_of("my-deployment", TODAY) is None
    assert cost_micro_usd("llama", TODAY, prompt=10, cached=0, answer=1) is None
    assert cost_micro_usd("gpt-transcribe", TODAY, prompt=10, cached=0, answer=1) is None
    assert cost_micro_usd("gpt-6-luna", TODAY, prompt=10, cached=99, answer=0) == 0


def test_a_price_is_in_force_until_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = (
        Price(models=("m",), effective_from=date(2026, month, 1), source="here", per_minute=month)
        for month in (3, 6)
    )
    monkeypatch.setitem(prices.PRICES, "m", [old, new])
    assert price_of("m", date(2026, 5, 31)) == old
    assert price_of("m", date(2026, 6, 1)) == new
    assert price_of("m", date(2025, 1, 1)) == old  # the oldest that is known


def test_every_price_says_where_it_is_from() -> None:
    for known in prices.PRICES.values():
        assert all(price.source for price in known)
        assert all(price.text or price.per_minute for price in known)
        assert len({price.effective_from for price in known}) == len(known)
    assert max(price.effective_from for known in prices.PRICES.values() for price in known) <= (
        date.fromisoformat(prices.VERSION)
    )


def test_a_minute_of_speech_costs_what_the_api_s_page_says() -> None:
    """Speech alone, gpt-realtime-2.1: $0.0192 a minute of the caller, $0.0768 of the agent."""
    price = price_of("gpt-realtime-2.1", TODAY)
    assert session_cost(Usage(input_audio_tokens=600), price) == pytest.approx(19_200)
    assert session_cost(Usage(output_audio_tokens=1200), price) == pytest.approx(76_800)


def test_each_kind_of_token_has_its_price() -> None:
    usage = Usage(
        input_text_tokens=1000,
        input_audio_tokens=2000,
        input_cached_tokens=1500,
        input_cached_text_tokens=500,
        input_cached_audio_tokens=1000,
        output_text_tokens=100,
        output_audio_tokens=300,
    )
    price = price_of("gpt-realtime-2.1-mini", TODAY)
    expected = 500 * 0.6 + 500 * 0.06 + 1000 * 10 + 1000 * 0.3 + 100 * 2.4 + 300 * 20
    assert session_cost(usage, price) == pytest.approx(expected)


def test_cached_tokens_that_are_not_split_are_taken_for_the_cheaper_saving() -> None:
    price = price_of("gpt-realtime-2.1", TODAY)
    untold = Usage(input_text_tokens=100, input_audio_tokens=100, input_cached_tokens=150)
    expected = 100 * 0.4 + 50 * 0.4 + 50 * 32
    assert session_cost(untold, price) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("model", "usage", "expected"),
    [
        ("gpt-transcribe", Usage(transcription_audio_tokens=600), 4_500),
        ("gpt-transcribe", Usage(transcription_ms=30_000), 2_250),
        ("gpt-realtime-whisper", Usage(transcription_ms=60_000), 17_000),
        (
            "gpt-4o-mini-transcribe",
            Usage(transcription_audio_tokens=100, transcription_output_tokens=20),
            225,
        ),
        ("gpt-4o-transcribe", Usage(transcription_ms=60_000), 6_000),
        ("somebody-elses", Usage(), 0),
        ("somebody-elses", Usage(transcription_ms=1), None),
    ],
)
def test_writing_down_is_paid_by_tokens_or_by_the_minute(
    model: str, usage: Usage, expected: float | None
) -> None:
    cost = transcription_cost(usage, price_of(model, TODAY))
    assert cost == (None if expected is None else pytest.approx(expected))


def test_sound_that_only_tokens_are_sold_for_has_no_price_by_time() -> None:
    price = Price(
        models=("m",),
        effective_from=TODAY,
        source="here",
        text=Rates(1, 1, 1),
        audio=Rates(1, 1, 1),
    )
    assert transcription_cost(Usage(transcription_ms=5), price) is None


_TOKENS = st.integers(0, 100_000)


@given(text=_TOKENS, audio=_TOKENS, cached=_TOKENS, out=_TOKENS)
def test_a_cost_is_never_negative_and_caching_never_makes_it_dearer(
    text: int, audio: int, cached: int, out: int
) -> None:
    price = price_of("gpt-realtime-2.1", TODAY)
    usage = Usage(input_text_tokens=text, input_audio_tokens=audio, output_audio_tokens=out)
    plain = session_cost(usage, price)
    spared = session_cost(
        Usage(
            input_text_tokens=text,
            input_audio_tokens=audio,
            output_audio_tokens=out,
            input_cached_tokens=min(cached, text + audio),
        ),
        price,
    )
    assert plain is not None and spared is not None
    assert 0 <= spared <= plain
