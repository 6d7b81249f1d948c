"""What an agent is to the Realtime API: the session's settings, and the manner that follows. Pure.

The agent's own `session` block is merged in deeply, so every field of the API is within reach; what
the leg dictates (formats) and what the worker must know (the tool that ends a call) is set last.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from callfleet.audio import PCM, AudioFormat
from callfleet.config import Agent, resolved_turn_detection
from callfleet.prices import price_of
from services.worker.dialogue import Manner
from services.worker.spending import Tariff
from services.worker.turns import END_CALL

_END_CALL_TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "name": END_CALL,
    "description": (
        "Hang up. Use it when the conversation is finished and the caller has said goodbye or"
        " wants nothing more: say goodbye first, then call this in the same turn."
    ),
    "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
}
_LEG_DECIDES: Final = frozenset({"type", "model"})


def session_settings(agent: Agent, fmt: AudioFormat) -> dict[str, Any]:
    """The body of the one `session.update` that opens a session."""
    extras = {key: value for key, value in agent.session.items() if key not in _LEG_DECIDES}
    session = merged(_from_agent(agent), extras)
    session["audio"]["input"]["format"] = format_settings(fmt)
    session["audio"]["output"]["format"] = format_settings(fmt)
    session["tools"] = _tools(extras.get("tools") or [])
    return session


def manner_of(agent: Agent, session: Mapping[str, Any], today: date) -> Manner:
    """How the conversation has to behave with these settings, at today's prices."""
    hearing = session["audio"]["input"]
    detection = hearing.get("turn_detection")
    return Manner(
        greeting=agent.greeting,
        answers_itself=detection is not None and detection.get("create_response", True),
        interruptible=detection is None or detection.get("interrupt_response", True),
        transcribed=hearing.get("transcription") is not None,
        tariff=Tariff(
            price_of(agent.model, today),
            price_of(transcriber_of(session), today),
        ),
    )


def transcriber_of(session: Mapping[str, Any]) -> str:
    """The model that writes down the caller; empty when none does."""
    transcription = session["audio"]["input"].get("transcription") or {}
    return str(transcription.get("model", ""))


def _from_agent(agent: Agent) -> dict[str, Any]:
    custom = agent.voice.startswith("voice_")
    transcription: dict[str, Any] | None = None
    if agent.transcription is not None:
        transcription = {"model": agent.transcription}
        if agent.language is not None:
            transcription["language"] = agent.language
    return {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": agent.instructions,
        "audio": {
            "input": {
                "transcription": transcription,
                "turn_detection": resolved_turn_detection(agent),
            },
            "output": {"voice": {"id": agent.voice} if custom else agent.voice},
        },
        "tool_choice": "auto",
    }


def format_settings(fmt: AudioFormat) -> dict[str, Any]:
    """G.711 has one rate and the API wants none stated; PCM must state its own."""
    return {"type": fmt.name, "rate": fmt.rate} if fmt is PCM else {"type": fmt.name}


def _tools(extras: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [_END_CALL_TOOL, *(tool for tool in extras if tool.get("name") != END_CALL)]


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings merge key by key, at any depth; anything else from above replaces."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = merged(old, value) if both else value  # type: ignore[arg-type] # both are
    return result
