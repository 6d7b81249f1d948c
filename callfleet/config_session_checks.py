"""What the API refuses although each part of it is well-formed, and what works but will not. Pure.

An agent's own fields and its `session:` block are looked at together, as they will be sent.
"""

from typing import Final

from msgspec import UNSET, UnsetType

from callfleet.config_model import Agent
from callfleet.config_models import end_of, reasons
from callfleet.config_session import (
    AudioInput,
    AudioOutput,
    FunctionTool,
    McpTool,
    Session,
    Transcription,
    VoiceId,
)
from callfleet.config_tree import Mistakes, below, unknown
from callfleet.prices import PRICES

VOICES: Final = (
    *("alloy", "ash", "ballad", "coral", "echo"),
    *("sage", "shimmer", "verse", "marin", "cedar"),
)
# These write while somebody speaks; the API has them only with turn detection off.
_LIVE_TRANSCRIBERS: Final = ("gpt-live-transcribe", "gpt-realtime-whisper")
_KNOWN_TRANSCRIBERS: Final = (
    *("gpt-transcribe", "gpt-live-transcribe", "gpt-realtime-whisper", "whisper-1"),
    *("gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize"),
)
_ONLY_FOR: Final = {
    "languages": ("gpt-transcribe", "gpt-live-transcribe"),
    "keywords": ("gpt-transcribe", "gpt-live-transcribe"),
    "delay": ("gpt-realtime-whisper",),
}
_NO_PROMPT: Final = ("gpt-realtime-whisper", "gpt-4o-transcribe-diarize")


def voice_mistake(voice: str) -> str:
    if voice in VOICES or voice.startswith("voice_"):
        return ""
    return unknown("voice", voice, VOICES)


def check_session(agent: Agent, path: str, mistakes: Mistakes) -> None:
    """Of one agent; parts of it that could not be read are passed over."""
    session = agent.session or Session()
    at = below(path, "session")
    hearing, speaking = _sides(session)
    _check_transcription(agent, hearing, path, mistakes)
    if isinstance(speaking.voice, str) and (wrong := voice_mistake(speaking.voice)):
        mistakes.add(f"{at}.audio.output.voice", wrong)
    elif isinstance(speaking.voice, VoiceId) and not speaking.voice.id.startswith("voice_"):
        mistakes.add(f"{at}.audio.output.voice.id", "a custom voice's id begins with voice_")
    for side, given in (("input", hearing.format), ("output", speaking.format)):
        if given is not UNSET:
            told = "is left out: each call's leg decides it"
            mistakes.warn(f"{at}.audio.{side}.format", told)
    _check_reasoning(agent, session, path, mistakes)
    _check_tools(session, at, mistakes)
    _check_model(agent.model, below(path, "model"), mistakes)
    _check_money(agent, path, mistakes)


def _sides(session: Session) -> tuple[AudioInput, AudioOutput]:
    audio = session.audio
    if isinstance(audio, UnsetType):
        return AudioInput(), AudioOutput()
    hearing = AudioInput() if isinstance(audio.input, UnsetType) else audio.input
    speaking = AudioOutput() if isinstance(audio.output, UnsetType) else audio.output
    return hearing, speaking


def _check_transcription(agent: Agent, hearing: AudioInput, path: str, mistakes: Mistakes) -> None:
    given = hearing.transcription
    own = given is UNSET
    wanted = agent.transcription if isinstance(given, UnsetType) else given
    if wanted is None:
        return
    at = below(path, "transcription") if own else f"{path}.session.audio.input.transcription"
    model = wanted if isinstance(wanted, str) else wanted.model
    detects = (
        agent.turn_detection if hearing.turn_detection is UNSET else hearing.turn_detection
    ) is not None
    if model in _LIVE_TRANSCRIBERS and detects:
        mistakes.add(at, f"{model} needs turn_detection: null")
    if isinstance(wanted, Transcription):
        _check_options(wanted, at, mistakes)
    _check_model(model, at, mistakes)


def _check_options(wanted: Transcription, at: str, mistakes: Mistakes) -> None:
    """Only of models we know: a deployment may be named anything."""
    model = wanted.model
    if model not in _KNOWN_TRANSCRIBERS:
        return
    for option, models in _ONLY_FOR.items():
        if getattr(wanted, option) is not UNSET and model not in models:
            mistakes.add(below(at, option), f"is only for {' and '.join(models)}")
    if wanted.prompt is not UNSET and model in _NO_PROMPT:
        mistakes.add(below(at, "prompt"), f"{model} takes none")


def _check_reasoning(agent: Agent, session: Session, path: str, mistakes: Mistakes) -> None:
    if reasons(agent.model or ""):
        return
    for name in ("reasoning", "parallel_tool_calls"):
        if getattr(session, name) is not UNSET:
            mistakes.add(f"{path}.session.{name}", f"{agent.model} does not reason")
    if agent.reasoning is not None:
        mistakes.add(below(path, "reasoning"), f"{agent.model} does not reason")


def _check_tools(session: Session, at: str, mistakes: Mistakes) -> None:
    tools = () if isinstance(session.tools, UnsetType) else session.tools
    for index, tool in enumerate(tools):
        place = f"{at}.tools[{index}]"
        if isinstance(tool, FunctionTool):
            told = "nobody answers it here: write it under the agent's `tools`, with its address"
            mistakes.warn(place, told)
        elif isinstance(tool, McpTool):
            ways = ("server_url", "connector_id", "tunnel_id")
            if sum(getattr(tool, way) is not UNSET for way in ways) != 1:
                mistakes.add(place, f"needs exactly one of {', '.join(ways)}")


def _check_model(model: str, path: str, mistakes: Mistakes) -> None:
    if end := end_of(model or ""):
        mistakes.warn(path, f"{model} is shut down on {end.date}: use {end.successor}")


def _check_money(agent: Agent, path: str, mistakes: Mistakes) -> None:
    if agent.priced_as is not None and agent.priced_as not in PRICES:
        mistakes.add(below(path, "priced_as"), unknown("model", agent.priced_as, PRICES))
    priced = agent.priced_as or agent.model
    if agent.budget_usd is not None and priced and not _has_price(priced):
        told = f"the price of {priced} is not known, so no budget can be kept: set `priced_as`"
        mistakes.add(below(path, "budget_usd"), told)


def _has_price(model: str) -> bool:
    return any(model == name or model.startswith(f"{name}-20") for name in PRICES)
