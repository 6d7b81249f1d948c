"""When has the caller finished speaking? The presets, and what the API accepts. Pure.

`silence_duration_ms` is always stated: the API's documentation and its own examples disagree about
the default (500 and 200), and 200 cuts callers off in the middle of a phone number.
"""

from typing import Any, Final

from callfleet.config_model import Agent
from callfleet.config_tree import Mistakes, below, did_you_mean

SILENCE_DEFAULT_MS: Final = 500

PRESETS: Final[dict[str, dict[str, Any]]] = {
    # A good microphone and nobody else in the room: quick to answer.
    "quiet_office": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 400,
        "create_response": True,
        "interrupt_response": True,
    },
    # Voices in the background: only what is close and loud is the caller.
    "noisy_call_center": {
        "type": "server_vad",
        "threshold": 0.8,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 700,
        "create_response": True,
        "interrupt_response": True,
    },
    # 8 kHz, line noise, people who pause while they look for their insurance card.
    "phone_line": {
        "type": "server_vad",
        "threshold": 0.6,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 600,
        "create_response": True,
        "interrupt_response": True,
    },
}

_Bounds = tuple[type, float | None, float | None]
_SHARED: Final[dict[str, _Bounds]] = {
    "type": (str, None, None),
    "create_response": (bool, None, None),
    "interrupt_response": (bool, None, None),
}
_FIELDS: Final[dict[str, dict[str, _Bounds]]] = {
    "server_vad": {
        **_SHARED,
        "threshold": (float, 0, 1),
        "prefix_padding_ms": (int, 0, 10_000),
        "silence_duration_ms": (int, 0, 10_000),
        "idle_timeout_ms": (int, 5_000, 30_000),
    },
    "semantic_vad": {**_SHARED, "eagerness": (str, None, None)},
}
_EAGERNESS = ("low", "medium", "high", "auto")


def resolved_turn_detection(agent: Agent) -> dict[str, Any] | None:
    """The API's own object for this agent; None is push to talk."""
    wanted = agent.turn_detection
    if wanted is None:
        return None
    if isinstance(wanted, str):
        return dict(PRESETS[wanted])
    if wanted.get("type") == "server_vad":
        return {"silence_duration_ms": SILENCE_DEFAULT_MS, **wanted}
    return dict(wanted)


def check_turn_detection(agent: Agent, path: str, mistakes: Mistakes) -> None:
    """An object of the API's own: refused here rather than by the API, in front of a caller."""
    wanted = agent.turn_detection
    if not isinstance(wanted, dict):
        return
    kind = wanted.get("type")
    fields = _FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        mistakes.add(below(path, "type"), f"must be one of {', '.join(_FIELDS)}")
        return
    for key, value in wanted.items():
        at = below(path, key)
        if key not in fields:
            mistakes.add(at, f"unknown key for {kind}{did_you_mean(str(key), fields)}")
        elif wrong := _wrong(value, *fields[key]):
            mistakes.add(at, wrong)
    if wanted.get("eagerness", "auto") not in _EAGERNESS:
        mistakes.add(below(path, "eagerness"), f"must be one of {', '.join(_EAGERNESS)}")


def _wrong(value: Any, kind: type, low: float | None, high: float | None) -> str:
    accepted: Any = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
        return f"must be {words[kind]}"
    if low is not None and high is not None and not low <= value <= high:
        return f"must be from {low} to {high}"
    return ""
