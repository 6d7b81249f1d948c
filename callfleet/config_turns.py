"""When has the caller finished speaking? The presets, and what the API accepts. Pure.

`silence_duration_ms` is always stated: the API's documentation and its own examples disagree about
the default (500 and 200), and 200 cuts callers off in the middle of a phone number.
"""

from typing import Any, Final

import msgspec
from msgspec import UNSET

from callfleet.config_model import Agent
from callfleet.config_session import ServerVad

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


def resolved_turn_detection(agent: Agent) -> dict[str, Any] | None:
    """The API's own object for this agent; None is push to talk."""
    wanted = agent.turn_detection
    if wanted is None:
        return None
    if isinstance(wanted, str):
        return dict(PRESETS[wanted])
    if isinstance(wanted, ServerVad) and wanted.silence_duration_ms is UNSET:
        wanted = msgspec.structs.replace(wanted, silence_duration_ms=SILENCE_DEFAULT_MS)
    own: dict[str, Any] = msgspec.to_builtins(wanted)
    return own
