"""What a scoring answer costs. Pure.

USD per million tokens is micro-USD per token, so cost is tokens times price with no other factor.
A price that is not known gives no cost: a wrong number would be summed with right ones.
"""

from dataclasses import dataclass
from typing import Final

PRICES_AS_OF: Final = "2026-11-20"


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens."""

    read: float
    read_cached: float
    written: float


PRICES: Final = {
    "gpt-4o-mini": Price(0.15, 0.075, 0.60),
    "gpt-6-luna": Price(0.10, 0.01, 0.50),
    "gpt-5.6-luna": Price(0.20, 0.02, 1.20),
}


def price_of(model: str) -> Price | None:
    """By the name or, for a dated one (`gpt-4o-mini-2024-07-18`), by the name before the date."""
    dated = sorted((name for name in PRICES if model.startswith(f"{name}-20")), key=len)
    return PRICES.get(model) or (PRICES[dated[-1]] if dated else None)


def cost_micro_usd(model: str, *, prompt: int, cached: int, answer: int) -> int | None:
    """Rounded to the nearest micro-USD; None when the model's price is unknown."""
    price = price_of(model)
    if price is None:
        return None
    cached = min(cached, prompt)
    return round(
        (prompt - cached) * price.read + cached * price.read_cached + answer * price.written
    )
