"""What the sessions of one simulated API share: options, clock, faults, allowances, record."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from simulators.realtime_brain import Brain
from simulators.realtime_faults import Faults
from simulators.realtime_usage import TokenBucket

Observer = Callable[[Literal["client", "server"], str, bytes], None]
_VIOLATIONS_KEPT = 200
_SESSIONS_KEPT = 500


class Wire(Protocol):
    """The socket of a session, as the session sees it."""

    @property
    def open(self) -> bool: ...
    async def send(self, data: bytes) -> None: ...
    async def close(self, code: int, reason: str) -> None: ...
    def abort(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Options:
    """How this API behaves when nothing goes wrong.

    `speed` is simulated seconds per second, for whatever the server times: delays, expiry,
    allowances. `audio_speed` is how much faster than speech the voice arrives.
    """

    seed: int = 0
    keys: frozenset[str] = frozenset({"sk-simulated"})
    models: tuple[str, ...] = (
        "gpt-realtime-2.1",
        "gpt-realtime-2.1-mini",
        "gpt-realtime-2",
        "gpt-realtime-1.5",
        "gpt-realtime",
        "gpt-realtime-mini",
    )
    speed: float = 1.0
    audio_speed: float = 6.0
    first_audio_s: float = 0.05
    transcript_delay_s: float = 0.15
    session_s: float = 3600.0
    max_sessions: int | None = None
    tokens_per_minute: int | None = None
    echo: bool = False
    expect_violations: bool = False
    script: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Counts:
    """Sessions under one key and model.

    One that has been asked to close is not live any more, though its socket may take a moment: a
    client that closes one session and then opens another never had two.
    """

    most: int = 0
    total: int = 0
    _wires: set[Wire] = field(default_factory=set)

    @property
    def live(self) -> int:
        return sum(wire.open for wire in self._wires)

    def opened(self, wire: Wire) -> None:
        self._wires.add(wire)
        self.total += 1
        self.most = max(self.most, self.live)

    def closed(self, wire: Wire) -> None:
        self._wires.discard(wire)

    def wires(self) -> tuple[Wire, ...]:
        return tuple(self._wires)

    def state(self) -> dict[str, int]:
        return {"live": self.live, "max": self.most, "total": self.total}


class World:
    def __init__(self, options: Options, observer: Observer | None) -> None:
        self.options = options
        self.observer = observer
        self.faults = Faults()
        self.brain = Brain(options.seed, options.script)
        self.random = random.Random(options.seed)
        self.all = Counts()
        self.by_key_and_model: dict[tuple[str, str], Counts] = {}
        self.refused: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.responses: Counter[str] = Counter()
        self.closes: Counter[str] = Counter()
        self.violations: list[str] = []
        self.sessions: list[dict[str, Any]] = []  # what each heard and said, the latest
        self._buckets: dict[str, TokenBucket] = {}

    def now(self) -> float:
        return time.monotonic() * self.options.speed

    async def sleep(self, simulated_s: float) -> None:
        await asyncio.sleep(simulated_s / self.options.speed)

    def bucket(self, model: str) -> TokenBucket:
        if model not in self._buckets:
            self._buckets[model] = TokenBucket(model, self.options.tokens_per_minute, self.now)
        return self._buckets[model]

    def counts(self, key: str, model: str) -> Counts:
        return self.by_key_and_model.setdefault((key, model), Counts())

    async def end_sessions(self, code: int | None, reason: str) -> int:
        wires = self.all.wires()
        for wire in wires:
            if code is None:
                wire.abort()
        if code is not None:
            await asyncio.gather(*(wire.close(code, reason) for wire in wires))
        return len(wires)

    def violation(self, text: str) -> None:
        if len(self.violations) < _VIOLATIONS_KEPT:
            self.violations.append(text)

    def record(self, session: dict[str, Any]) -> None:
        self.sessions.append(session)
        if len(self.sessions) > _SESSIONS_KEPT:
            del self.sessions[0]

    def reset(self) -> None:
        """Forget faults and what was seen; sessions that are open stay open."""
        self.faults.clear()
        for counter in (self.refused, self.errors, self.responses, self.closes):
            counter.clear()
        self.violations.clear()
        self.sessions.clear()
        for counts in (self.all, *self.by_key_and_model.values()):
            counts.most = counts.live

    def state(self) -> dict[str, Any]:
        named = self.by_key_and_model.items()
        return {
            "sessions": self.all.state(),
            "sessions_by_key_and_model": {
                f"{key[:6]}...{key[-4:]}/{model}": counts.state() for (key, model), counts in named
            },
            "refused": dict(self.refused),
            "errors": dict(self.errors),
            "responses": dict(self.responses),
            "closes": dict(self.closes),
            "violations": list(self.violations),
            "faults": self.faults.state(),
            "conversations": list(self.sessions),
        }
