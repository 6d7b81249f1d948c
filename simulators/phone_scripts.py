"""What callers do on the phone: scripts of plain steps, seeded, for three kinds of business.

A script is data; `phone_caller` performs it. The factories are the callers every agent must
survive: the polite, the one who interrupts, the silent, the one who hangs up in the middle of a
word, the one who presses keys, the angry.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from simulators.phone_lines import VERTICALS, Wishes


@dataclass(frozen=True, slots=True)
class Speak:
    """Wait for one's turn, then say it; `vanish_after_ms` into it the line goes dead."""

    text: str
    vanish_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Wait until the agent has been speaking for `after_ms`, then talk into its words."""

    text: str
    after_ms: int


@dataclass(frozen=True, slots=True)
class Press:
    """Wait for one's turn, then press keys on the phone."""

    digits: str
    gap_ms: int = 200


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait until the agent has said something and stopped; patience applies."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Stay on the line without a word."""

    ms: int


@dataclass(frozen=True, slots=True)
class HangUp:
    """Put the phone down, now."""


Step = Speak | Interrupt | Press | Listen | Wait | HangUp


@dataclass(frozen=True, slots=True)
class Script:
    """How one caller behaves, from the greeting to the goodbye."""

    name: str
    steps: tuple[Step, ...]
    gap_ms: int = 400  # silence after which the agent counts as finished
    patience_ms: int = 8000  # how long a silent line is borne
    nudges: int = 1  # how often the caller asks whether anybody is there
    nudge: str = "Hello? Are you still there?"
    max_call_ms: int = 180_000  # no call outlives this, whatever happens on it
    chars_per_s: float = 15.0

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(step.text for step in self.steps if isinstance(step, Speak | Interrupt))

    def but(self, **changes: object) -> "Script":
        return replace(self, **changes)  # type: ignore[arg-type]  # the names are checked by replace


def talk(lines: Sequence[str], *, name: str = "talk") -> Script:
    """Say these lines, one after each answer."""
    return Script(name, tuple(Speak(line) for line in lines))


def polite(vertical: str = "clinic", seed: int = 0) -> Script:
    wishes = _wishes(vertical, seed)
    lines = [wishes.booking, wishes.name, wishes.question, wishes.thanks]
    return Script(_named("polite", vertical), tuple(Speak(line) for line in lines))


def interrupting(vertical: str = "clinic", seed: int = 0, *, after_ms: int | None = None) -> Script:
    wishes, rng = _wishes(vertical, seed), _rng("interrupting", seed)
    into_ms = rng.randrange(400, 1200, 20) if after_ms is None else after_ms
    return Script(
        _named("interrupting", vertical),
        (
            Speak(wishes.question),
            Interrupt(wishes.booking, into_ms),
            Speak(wishes.name),
            Speak(wishes.thanks),
        ),
    )


def silent(vertical: str = "clinic", seed: int = 0, *, stays_ms: int = 12_000) -> Script:
    rng = _rng("silent", seed)
    stays_ms += rng.randrange(0, 1000, 20)
    return Script(_named("silent", vertical), (Wait(stays_ms), HangUp()))


def hanging_up_mid_word(vertical: str = "clinic", seed: int = 0) -> Script:
    wishes, rng = _wishes(vertical, seed), _rng("hanging_up_mid_word", seed)
    vanish = Speak(wishes.booking, vanish_after_ms=rng.randrange(600, 1600, 20))
    return Script(_named("hanging_up_mid_word", vertical), (Speak(wishes.question), vanish))


def pressing_keys(vertical: str = "clinic", seed: int = 0) -> Script:
    wishes, rng = _wishes(vertical, seed), _rng("pressing_keys", seed)
    digits = "".join(rng.choice("0123456789") for _ in range(4)) + "#"
    steps = (Press(digits), Speak(wishes.booking), Speak(wishes.name), Speak(wishes.thanks))
    return Script(_named("pressing_keys", vertical), steps)


def angry(vertical: str = "clinic", seed: int = 0) -> Script:
    wishes = _wishes(vertical, seed)
    return Script(
        _named("angry", vertical),
        (
            Speak(wishes.complaint),
            Interrupt("No, listen to me. This is unacceptable.", 500),
            Speak(wishes.demand),
            Speak("Fine. Goodbye."),
        ),
        gap_ms=240,
        patience_ms=5000,
        nudge="Hello? Is anybody even listening?",
    )


FACTORIES: dict[str, Callable[[str, int], Script]] = {
    "polite": polite,
    "interrupting": interrupting,
    "silent": silent,
    "hanging_up_mid_word": hanging_up_mid_word,
    "pressing_keys": pressing_keys,
    "angry": angry,
}


def script_named(name: str, vertical: str = "clinic", seed: int = 0) -> Script:
    return FACTORIES[name](vertical, seed)


def mixture(count: int, seed: int = 0) -> list[Script]:
    """`count` callers as a busy morning brings them: mostly polite, every kind among them."""
    rng = _rng("mixture", seed)
    names = list(FACTORIES)
    verticals = list(VERTICALS)
    scripts = []
    for number in range(count):
        everybody = names[number % len(names)] if number < len(names) else rng.choice(names)
        name = everybody if number < len(names) or rng.random() < 0.5 else "polite"
        scripts.append(script_named(name, verticals[number % len(verticals)], seed + number))
    return scripts


def _named(kind: str, vertical: str) -> str:
    return f"{kind}/{vertical}"


def _rng(kind: str, seed: int) -> random.Random:
    return random.Random(f"{kind}:{seed}")


def _wishes(vertical: str, seed: int) -> Wishes:
    return VERTICALS[vertical].wishes(random.Random(f"{vertical}:{seed}"))
