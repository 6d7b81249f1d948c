"""Session blocks of the API's beta, as most tutorials still show them, in today's words. Pure.

The beta is gone from the wire. Here its keys are moved to where they are now, each with a warning
that names the new key, and what no longer exists is left out and said so. What an agent has a field
for already (its model, its instructions) is moved there.
"""

from collections.abc import Mapping
from typing import Any, Final

from callfleet.config_tree import Mistakes, below, did_you_mean

_MOVED: Final[Mapping[str, str]] = {
    "modalities": "output_modalities",
    "voice": "audio.output.voice",
    "speed": "audio.output.speed",
    "input_audio_transcription": "audio.input.transcription",
    "input_audio_noise_reduction": "audio.input.noise_reduction",
    "turn_detection": "audio.input.turn_detection",
    "max_response_output_tokens": "max_output_tokens",
}
_FORMATS: Final[Mapping[str, str]] = {
    "input_audio_format": "audio.input.format",
    "output_audio_format": "audio.output.format",
}
_FORMAT_NAMES: Final = ("pcm16", "g711_ulaw", "g711_alaw")
_GONE: Final[Mapping[str, str]] = {
    "temperature": "the API has no temperature any more",
    "prompt": "stored prompts are shut down on 2026-11-30: write the agent's `instructions`",
    "client_secret": "secrets are not part of a session any more",
    "id": "the API chooses it",
    "object": "the API says it",
    "expires_at": "the API says it",
}


def translate(agent: dict[Any, Any], path: str, mistakes: Mistakes) -> None:
    """An agent's `session:` block, in place."""
    session = agent.get("session")
    if not isinstance(session, dict):
        return
    at = below(path, "session")
    session = dict(_unwrapped(session, at, mistakes))
    for key in [key for key in session if key in _GONE]:
        del session[key]
        mistakes.warn(below(at, key), f"is left out: {_GONE[key]}")
    for key in [key for key in session if key in _FORMATS]:
        _format(session.pop(key), key, at, mistakes)
    for key in [key for key in session if key in _MOVED]:
        _move(session, key, at, mistakes)
    for field in ("model", "instructions"):
        _lift(agent, session, field, at, mistakes)
    agent["session"] = session


def _unwrapped(session: dict[Any, Any], at: str, mistakes: Mistakes) -> dict[Any, Any]:
    """A whole `session.update` was pasted."""
    inner = session.get("session")
    if session.get("type") != "session.update" or not isinstance(inner, dict):
        return session
    mistakes.warn(at, "is a whole session.update event: what is under its `session` belongs here")
    return inner


def _format(value: Any, key: str, at: str, mistakes: Mistakes) -> None:
    if value not in _FORMAT_NAMES:
        hint = did_you_mean(str(value), _FORMAT_NAMES)
        mistakes.add(below(at, key), f"is no audio format of the beta{hint}")
    else:
        told = f"is called {_FORMATS[key]} now, and is left out: each call's leg decides it"
        mistakes.warn(below(at, key), told)


def _move(session: dict[Any, Any], key: str, at: str, mistakes: Mistakes) -> None:
    value, new = session.pop(key), _MOVED[key]
    *parts, last = new.split(".")
    place = session
    for part in parts:
        deeper = place.get(part, {})
        if not isinstance(deeper, dict):
            return  # reported where it stands
        place[part] = place = dict(deeper)
    if last in place:
        mistakes.warn(below(at, key), f"is left out: it is called {new} now, which is there too")
        return
    if key == "modalities" and isinstance(value, list) and "audio" in value:
        value = ["audio"]  # its words come with it
    place[last] = value
    mistakes.warn(below(at, key), f"is called {new} now")


def _lift(
    agent: dict[Any, Any], session: dict[Any, Any], field: str, at: str, mistakes: Mistakes
) -> None:
    """Into the agent's own field, unless that says something already."""
    if field not in session:
        return
    if field not in agent:
        agent[field] = session.pop(field)
        mistakes.warn(below(at, field), f"is the agent's own `{field}`: write it there")
    elif field == "model" and session.pop(field) != agent[field]:
        told = f"the agent's own `model` is {agent[field]}: only one can be"
        mistakes.add(below(at, field), told)
