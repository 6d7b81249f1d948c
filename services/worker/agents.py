"""What an agent is to the Realtime API: the session's settings, and the manner that follows. Pure.

An agent has fields of its own for what is usual; its `session` block is laid over them,
so that every field of the API is within reach. What the leg dictates (formats) and what the worker
must know (the tool that ends a call) is set last.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import msgspec

from callfleet.audio import PCM, AudioFormat
from callfleet.config import Agent, resolved_turn_detection
from callfleet.config_patience import Silence
from callfleet.config_turns import SILENCE_DEFAULT_MS
from callfleet.prices import price_of
from services.worker.dialogue import Manner
from services.worker.realtime_settings import voice_settings
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
_GROUPS: Final = ("audio", "input", "output")


def session_settings(agent: Agent, fmt: AudioFormat) -> dict[str, Any]:
    """The body of the one `session.update` that opens a session."""
    extras: dict[str, Any] = msgspec.to_builtins(agent.session)
    session = merged(_from_agent(agent), extras)
    detection = session["audio"]["input"]["turn_detection"]
    if detection is not None and detection["type"] == "server_vad":
        detection.setdefault("silence_duration_ms", SILENCE_DEFAULT_MS)
    session["audio"]["input"]["format"] = format_settings(fmt)
    session["audio"]["output"]["format"] = format_settings(fmt)
    session["tools"] = _tools(extras.get("tools") or [])
    return session


def manner_of(agent: Agent, session: Mapping[str, Any], today: date) -> Manner:
    """How the conversation has to behave with these settings, at today's prices."""
    hearing = session["audio"]["input"]
    detection = hearing.get("turn_detection")
    silence = agent.silence or Silence(prompt_after_s=None, goodbye_after_s=None)
    return Manner(
        greeting=agent.greeting,
        greeting_interruptible=agent.greeting_interruptible,
        answers_itself=detection is not None and detection.get("create_response", True),
        interruptible=detection is None or detection.get("interrupt_response", True),
        transcribed=hearing.get("transcription") is not None,
        turn_key=agent.push_to_talk.key if detection is None else None,
        pause_ms=_pause_ms(agent) if detection is None else None,
        watched=agent.audio_watch.enabled,
        speak_up=bool(agent.audio_watch.speak_up),
        speak_up_words=_words(agent.audio_watch.speak_up),
        tariff=Tariff(
            price_of(agent.priced_as or agent.model, today),
            price_of(transcriber_of(session), today),
        ),
        prompt_after_ms=_ms(silence.prompt_after_s),
        goodbye_after_ms=_ms(silence.goodbye_after_s),
        prompt=silence.prompt,
        goodbye=silence.goodbye,
        longest_ms=_ms(agent.max_call_s),
        rotate_margin_ms=round(agent.rotation.before_end_s * 1000),
        rotate_after_ms=_ms(agent.rotation.after_s),
        budget_micro_usd=(
            None if agent.budget_usd is None else round(agent.budget_usd * 1_000_000)
        ),
    )


def _pause_ms(agent: Agent) -> int | None:
    silence_s = agent.push_to_talk.silence_s
    return None if silence_s is None else round(silence_s * 1000)


def _words(wanted: bool | str) -> str | None:
    """True: the agent's own."""
    return wanted if isinstance(wanted, str) else None


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def transcriber_of(session: Mapping[str, Any]) -> str:
    """The model that writes down the caller; empty when none does."""
    transcription = session["audio"]["input"].get("transcription") or {}
    return str(transcription.get("model", ""))


def _from_agent(agent: Agent) -> dict[str, Any]:
    """What the agent's own fields say; what they do not say is left to the API."""
    speaking: dict[str, Any] = {"voice": voice_settings(agent.voice)}
    hearing: dict[str, Any] = {
        "transcription": _transcription(agent),
        "turn_detection": resolved_turn_detection(agent),
    }
    session: dict[str, Any] = {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": agent.instructions,
        "audio": {"input": hearing, "output": speaking},
        "tool_choice": "auto",
    }
    if agent.noise_reduction is not None:
        told = agent.noise_reduction
        hearing["noise_reduction"] = {"type": told} if isinstance(told, str) else _plain(told)
    if agent.speed is not None:
        speaking["speed"] = agent.speed
    if agent.reasoning is not None:
        session["reasoning"] = {"effort": agent.reasoning}
    if agent.max_output_tokens is not None:
        session["max_output_tokens"] = agent.max_output_tokens
    if agent.truncation is not None:
        session["truncation"] = _plain(agent.truncation)
    return session


def _transcription(agent: Agent) -> dict[str, Any] | None:
    wanted = agent.transcription
    if wanted is None:
        return None
    own: dict[str, Any] = {"model": wanted} if isinstance(wanted, str) else _plain(wanted)
    if agent.language is not None and "languages" not in own:
        own.setdefault("language", agent.language)
    return own


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)


def format_settings(fmt: AudioFormat) -> dict[str, Any]:
    """G.711 has one rate and the API wants none stated; PCM must state its own."""
    return {"type": fmt.name, "rate": fmt.rate} if fmt is PCM else {"type": fmt.name}


def _tools(extras: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [_END_CALL_TOOL, *(tool for tool in extras if tool.get("name") != END_CALL)]


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The API's own grouping is merged; what is in it replaces, for a setting is one whole."""
    result = dict(below)
    for key, value in above.items():
        result[key] = merged(result.get(key, {}), value) if key in _GROUPS else value
    return result
