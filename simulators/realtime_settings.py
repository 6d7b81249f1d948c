"""The settings of one session as they stand, and what an update may change of them.

The rules that need no history are in `realtime_rules`; here are those that do: the model never
changes, the voice not after it was heard, tracing not once it is on, and some pairs exclude
each other. Only the keys present change.
"""

import copy
from typing import Any

from simulators.realtime_checks import Refusal
from simulators.realtime_rules import DEDICATED_TRANSCRIBERS, STREAMING_TRANSCRIBERS

DEFAULT_INSTRUCTIONS = (
    "Your knowledge cutoff is 2023-10. You are a helpful, witty, and friendly AI. Act like a human,"
    " but remember that you aren't a human and that you can't do human things in the real world."
    " Your voice and personality should be warm and engaging, with a lively and playful tone."
)
_SERVER_VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_SEMANTIC_VAD = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
_PCM = {"type": "audio/pcm", "rate": 24000}


class Settings:
    """What `session.created` and `session.updated` show, and the parts the session asks for."""

    def __init__(self, session_id: str, model: str, expires_at: int) -> None:
        self._model = model
        self._values: dict[str, Any] = {
            "type": "realtime",
            "object": "realtime.session",
            "id": session_id,
            "model": model,
            "output_modalities": ["audio"],
            "instructions": DEFAULT_INSTRUCTIONS,
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "tracing": None,
            "truncation": "auto",
            "prompt": None,
            "expires_at": expires_at,
            "audio": {
                "input": {
                    "format": dict(_PCM),
                    "transcription": None,
                    "noise_reduction": None,
                    "turn_detection": dict(_SERVER_VAD),
                },
                "output": {"format": dict(_PCM), "voice": "alloy", "speed": 1.0},
            },
            "include": None,
        }
        if self.reasons:
            self._values["reasoning"] = {"effort": "low"}
        self.parallel_tool_calls = True
        self.type_is_set = False

    @property
    def reasons(self) -> bool:
        """Whether this model has the reasoning options (the 2.x models do)."""
        return "realtime-2" in self._model and "realtime-2025" not in self._model

    def effective(self) -> dict[str, Any]:
        return copy.deepcopy(self._values)

    def apply(self, update: dict[str, Any], *, spoken: bool, busy: bool) -> None:
        """Change what `update` names, or refuse it as a whole."""
        self._refuse_fixed(update, spoken=spoken, busy=busy)
        changed = copy.deepcopy(self._values)
        for name, value in update.items():
            if name == "audio":
                _apply_audio(changed["audio"], value)
            elif name not in ("model", "parallel_tool_calls"):
                changed[name] = value
        _refuse_pairs(changed["audio"]["input"])
        self._values = changed
        self.parallel_tool_calls = update.get("parallel_tool_calls", self.parallel_tool_calls)
        self.type_is_set = True

    def _refuse_fixed(self, update: dict[str, Any], *, spoken: bool, busy: bool) -> None:
        if update.get("model", self._model) != self._model:
            message = "Cannot update a session's model."
            raise Refusal("invalid_value", message, "session.model")
        for name in ("reasoning", "parallel_tool_calls"):
            if name in update and not self.reasons:
                message = f"'{name}' is not supported by the model '{self._model}'."
                raise Refusal("invalid_value", message, f"session.{name}")
        tracing = self._values["tracing"]
        if tracing is not None and update.get("tracing", tracing) != tracing:
            message = "Cannot update tracing once it has been set."
            raise Refusal("invalid_value", message, "session.tracing")
        output = update.get("audio", {}).get("output", {})
        if spoken and _voice_name(output.get("voice", self.voice)) != self.voice:
            message = "Cannot update a conversation's voice if assistant audio is present."
            raise Refusal("cannot_update_voice", message, "session.audio.output.voice")
        if busy and output.get("speed", self.speed) != self.speed:
            message = "Cannot update the speed while a response is in progress."
            raise Refusal("invalid_value", message, "session.audio.output.speed")

    @property
    def _input(self) -> dict[str, Any]:
        part: dict[str, Any] = self._values["audio"]["input"]
        return part

    @property
    def output(self) -> dict[str, Any]:
        part: dict[str, Any] = self._values["audio"]["output"]
        return part

    @property
    def input_format(self) -> str:
        return str(self._input["format"]["type"])

    @property
    def turn_detection(self) -> dict[str, Any] | None:
        detection: dict[str, Any] | None = self._input["turn_detection"]
        return detection

    @property
    def transcription(self) -> dict[str, Any] | None:
        transcription: dict[str, Any] | None = self._input["transcription"]
        return transcription

    @property
    def voice(self) -> str:
        return str(self.output["voice"])

    @property
    def speed(self) -> float:
        return float(self.output["speed"])

    def get(self, name: str) -> Any:
        return self._values[name]


def _voice_name(voice: Any) -> str:
    return str(voice["id"] if isinstance(voice, dict) else voice)


def _apply_audio(audio: dict[str, Any], update: dict[str, Any]) -> None:
    for side in ("input", "output"):
        for name, value in update.get(side, {}).items():
            audio[side][name] = _filled(name, value)


def _filled(name: str, value: Any) -> Any:
    """The value as the server shows it: its unnamed keys at their defaults."""
    if name == "voice":
        return _voice_name(value)
    if value is None or not isinstance(value, dict):
        return value
    if name == "turn_detection":
        defaults = _SERVER_VAD if value["type"] == "server_vad" else _SEMANTIC_VAD
        return defaults | value
    if name == "noise_reduction":
        return {"strength": 1.0} | value
    if name == "format" and value["type"] == "audio/pcm":
        return _PCM | value
    return dict(value)


def _refuse_pairs(audio_input: dict[str, Any]) -> None:
    transcription = audio_input["transcription"]
    if transcription is None:
        return
    path = "session.audio.input.transcription"
    model = transcription.get("model")
    if model in STREAMING_TRANSCRIBERS and audio_input["turn_detection"] is not None:
        message = f"'{model}' requires 'turn_detection' to be null."
        raise Refusal("invalid_value", message, f"{path}.model")
    allowed = {
        "languages": model in DEDICATED_TRANSCRIBERS,
        "keywords": model in DEDICATED_TRANSCRIBERS,
        "delay": model == "gpt-realtime-whisper",
        "prompt": model not in ("gpt-realtime-whisper", "gpt-4o-transcribe-diarize"),
    }
    for name, supported in allowed.items():
        if name in transcription and not supported:
            message = f"'{name}' is not supported by the transcription model '{model}'."
            raise Refusal("invalid_value", message, f"{path}.{name}")
