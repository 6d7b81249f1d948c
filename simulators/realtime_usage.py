"""What responses cost: tokens of the context with its cached share, and the minute's allowance.

Caller audio is 600 tokens a minute, the voice 1,200. Every response pays for the whole context
again, of which the part the previous response of the session has already read is cached, in whole
blocks, as long as instructions and tools stay the same. Cached tokens count against the allowance
like all others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from simulators.realtime_items import Item, text_tokens

_CACHE_BLOCK = 64
_UNLIMITED = 1_000_000


@dataclass(slots=True)
class Ledger:
    """The usage of one session's responses."""

    _prefix: bytes = b""
    _read_text: int = 0
    _read_audio: int = 0

    def context(self, instructions: str, tools: list[Any], items: Sequence[Item]) -> "Context":
        prefix = msgspec.json.encode([instructions, tools])
        fixed = text_tokens(instructions) + (len(msgspec.json.encode(tools)) // 4 if tools else 0)
        text = fixed + sum(item.text_tokens for item in items)
        audio = sum(item.audio_tokens for item in items)
        same = prefix == self._prefix
        cached_text = min(text, self._read_text) // _CACHE_BLOCK * _CACHE_BLOCK if same else 0
        cached_audio = min(audio, self._read_audio) // _CACHE_BLOCK * _CACHE_BLOCK if same else 0
        return Context(prefix, text, audio, cached_text, cached_audio)

    def read(self, context: "Context", text_out: int, audio_out: int) -> None:
        """The context and the answer to it are now what the next response has cached."""
        self._prefix = context.prefix
        self._read_text = context.text + text_out
        self._read_audio = context.audio + audio_out


@dataclass(frozen=True, slots=True)
class Context:
    prefix: bytes
    text: int
    audio: int
    cached_text: int
    cached_audio: int

    @property
    def tokens(self) -> int:
        return self.text + self.audio

    def usage(self, text_out: int, audio_out: int) -> dict[str, Any]:
        return {
            "total_tokens": self.tokens + text_out + audio_out,
            "input_tokens": self.tokens,
            "output_tokens": text_out + audio_out,
            "input_token_details": {
                "text_tokens": self.text,
                "audio_tokens": self.audio,
                "image_tokens": 0,
                "cached_tokens": self.cached_text + self.cached_audio,
                "cached_tokens_details": {
                    "text_tokens": self.cached_text,
                    "audio_tokens": self.cached_audio,
                    "image_tokens": 0,
                },
            },
            "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
        }


@dataclass(slots=True)
class TokenBucket:
    """Tokens per minute of one model, refilled continuously; None is without limit."""

    model: str
    per_minute: int | None
    clock: Callable[[], float]
    _level: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._level = float(self.per_minute or _UNLIMITED)
        self._at = self.clock()

    def _refill(self) -> None:
        if self.per_minute is None:
            return
        now = self.clock()
        earned = (now - self._at) * self.per_minute / 60
        self._level = min(float(self.per_minute), self._level + earned)
        self._at = now

    def wait_s(self, tokens: int) -> float:
        """How long until `tokens` are there; 0.0 is now."""
        self._refill()
        if self.per_minute is None or tokens <= self._level:
            return 0.0
        return max(0.001, (tokens - self._level) / self.per_minute * 60)

    def take(self, tokens: int) -> None:
        self._refill()
        if self.per_minute is not None:
            self._level -= tokens

    def refusal(self, tokens: int, hint: str) -> str:
        """The message of a response that came too early."""
        limit = self.per_minute or _UNLIMITED
        used = round(limit - self._level)
        return (
            f"Rate limit reached for {self.model} (for limit {self.model}) in organization "
            f"org-simulated on tokens per min (TPM): Limit {limit}, Used {used}, "
            f"Requested {tokens}. Please try again in {hint}. "
            "Visit https://platform.openai.com/account/rate-limits to learn more."
        )

    def state(self) -> list[dict[str, Any]]:
        """The content of `rate_limits.updated`."""
        self._refill()
        limit = self.per_minute or _UNLIMITED
        remaining = max(0, int(self._level))
        reset_s = round((limit - remaining) / limit * 60, 3)
        return [
            {"name": "tokens", "limit": limit, "remaining": remaining, "reset_seconds": reset_s}
        ]


def hint(wait_s: float) -> str:
    """A wait as the API writes it: 320ms, 6.232s, 1m26.4s."""
    if wait_s < 1:
        return f"{max(1, round(wait_s * 1000))}ms"
    if wait_s < 60:
        return f"{wait_s:.3f}".rstrip("0").rstrip(".") + "s"
    minutes, seconds = divmod(wait_s, 60)
    return f"{int(minutes)}m" + f"{seconds:.1f}".rstrip("0").rstrip(".") + "s"
