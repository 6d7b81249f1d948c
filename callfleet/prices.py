"""What the API charges, and what something used therefore cost. Pure, but for reading its table.

The table is `prices.json`, beside this file: a price is in force from its `effective_from` until
the same model's next one, the oldest one also before. Whoever stores a cost stores `VERSION` with
it, so that a cost can be told from one made with another table. USD per million tokens is micro-USD
per token, so a cost in micro-USD is tokens times price with no other factor. A price that is not
known gives no cost: a wrong number would be summed with right ones.
"""

from datetime import UTC, date, datetime
from importlib import resources
from typing import Final, NamedTuple

import msgspec

from callfleet.journal_entries import Usage

USER_AUDIO_TOKENS_PER_MINUTE: Final = 600
_MICRO: Final = 1_000_000


class Rates(NamedTuple):
    """USD per million tokens."""

    read: float
    read_cached: float
    written: float


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one model costs: by tokens, by the minute, or by whichever its usage is told in."""

    models: tuple[str, ...]
    effective_from: date
    source: str
    text: Rates | None = None
    audio: Rates | None = None
    per_minute: float | None = None  # USD


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    prices: tuple[Price, ...]


def _read() -> _Table:
    text = resources.files("callfleet").joinpath("prices.json").read_bytes()
    return msgspec.json.decode(text, type=_Table)


_TABLE: Final = _read()
VERSION: Final = _TABLE.version
PRICES: Final = {
    model: sorted(
        (price for price in _TABLE.prices if model in price.models),
        key=lambda price: price.effective_from,
    )
    for entry in _TABLE.prices
    for model in entry.models
}


def day_of(unix_ms: int) -> date:
    """Whose prices are asked for."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).date()


def price_of(model: str, on: date) -> Price | None:
    """By the name or, for a dated one (`gpt-4o-mini-2024-07-18`), by the name before the date."""
    dated = sorted((name for name in PRICES if model.startswith(f"{name}-20")), key=len)
    known = PRICES.get(model) or (PRICES[dated[-1]] if dated else None)
    if known is None:
        return None
    return next((each for each in reversed(known) if each.effective_from <= on), known[0])


def cost_micro_usd(model: str, on: date, *, prompt: int, cached: int, answer: int) -> int | None:
    """Of a text model's answer; None when the model's price is unknown."""
    price = price_of(model, on)
    if price is None or price.text is None:
        return None
    return round(_cost(price.text, prompt, cached, answer))


def session_cost(usage: Usage, price: Price | None) -> float | None:
    """Micro-USD of what a voice model's responses used, the broken-off ones included."""
    if price is None or price.text is None or price.audio is None:
        return None
    cached_text, cached_audio = _cached(usage)
    return _cost(
        price.text, usage.input_text_tokens, cached_text, usage.output_text_tokens
    ) + _cost(price.audio, usage.input_audio_tokens, cached_audio, usage.output_audio_tokens)


def transcription_cost(usage: Usage, price: Price | None) -> float | None:
    """Micro-USD of what it took to write down the caller; nothing written costs nothing."""
    tokens = usage.transcription_text_tokens + usage.transcription_audio_tokens
    written = usage.transcription_output_tokens
    if not (tokens or written or usage.transcription_ms):
        return 0.0
    if price is None:
        return None
    cost = 0.0
    if price.text is not None and price.audio is not None:
        cost += _cost(price.text, usage.transcription_text_tokens, 0, written)
        cost += _cost(price.audio, usage.transcription_audio_tokens, 0, 0)
    elif price.per_minute is not None:  # sold by the minute, told in tokens
        minutes = usage.transcription_audio_tokens / USER_AUDIO_TOKENS_PER_MINUTE
        cost += minutes * price.per_minute * _MICRO
    if usage.transcription_ms:
        if price.per_minute is None:
            return None
        cost += usage.transcription_ms / 60_000 * price.per_minute * _MICRO
    return cost


def _cost(rates: Rates, read: int, cached: int, written: int) -> float:
    cached = min(cached, read)
    return (read - cached) * rates.read + cached * rates.read_cached + written * rates.written


def _cached(usage: Usage) -> tuple[int, int]:
    """Text and audio; what the API did not split is taken for text, which is the dearer guess."""
    told = usage.input_cached_text_tokens + usage.input_cached_audio_tokens
    untold = max(0, usage.input_cached_tokens - told)
    as_text = min(untold, max(0, usage.input_text_tokens - usage.input_cached_text_tokens))
    return (
        usage.input_cached_text_tokens + as_text,
        usage.input_cached_audio_tokens + untold - as_text,
    )
