"""Settings of ours in the shape of the API's session. Pure."""

from typing import Any

from callfleet.config import PRESETS
from services.worker.dialogue import Change


def voice_settings(voice: str) -> str | dict[str, str]:
    """A voice of one's own is named by its id."""
    return {"id": voice} if voice.startswith("voice_") else voice


def changed_settings(change: Change) -> dict[str, Any]:
    """Only what is changed, for what is left out stays as it is."""
    session: dict[str, Any] = {"type": "realtime"}
    speaking: dict[str, Any] = {}
    audio: dict[str, Any] = {}
    if change.instructions is not None:
        session["instructions"] = change.instructions
    if change.voice is not None:
        speaking["voice"] = voice_settings(change.voice)
    if change.speed is not None:
        speaking["speed"] = change.speed
    if speaking:
        audio["output"] = speaking
    if change.listening is not None:
        audio["input"] = {"turn_detection": dict(PRESETS[change.listening])}
    if audio:
        session["audio"] = audio
    return session
