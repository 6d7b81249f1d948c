"""The caller's side of a session: audio in, turns found, committed and transcribed."""

import binascii
import math
from typing import TYPE_CHECKING, Any

from simulators.realtime_checks import Refusal
from simulators.realtime_hearing import CallerIdle, Heard, InputAudio, Turn, TurnBegan
from simulators.realtime_items import Item, caller_tokens, text_tokens
from simulators.speech import Ear, bytes_per_ms

if TYPE_CHECKING:
    from simulators.realtime_session import Session

_MOST_APPEND_BYTES = 15 * 1024 * 1024


class Turns:
    def __init__(self, session: "Session") -> None:
        self._session = session
        settings = session.settings
        self._input = InputAudio(settings.input_format, settings.turn_detection)
        self._item_id = session.new_id("item")  # of the turn to come

    def configure(self) -> None:
        settings = self._session.settings
        self._input.configure(settings.input_format, settings.turn_detection)

    def expect_caller(self, after_ms: int) -> None:
        self._input.expect_caller(after_ms)

    async def append(self, event: dict[str, Any]) -> None:
        if not self._session.settings.type_is_set:
            message = "Audio was sent before a session.update had set the session's type."
            raise Refusal("missing_required_parameter", message, "session.type")
        for heard in self._input.feed(decoded(event["audio"])):
            await self._react(heard)

    async def _react(self, heard: Heard) -> None:
        session, detection = self._session, self._session.settings.turn_detection or {}
        if isinstance(heard, TurnBegan):
            await session.emit(
                "input_audio_buffer.speech_started",
                audio_start_ms=heard.at_ms,
                item_id=self._item_id,
            )
            if detection.get("interrupt_response"):
                session.dialogue.interrupt("turn_detected")
            return
        if isinstance(heard, CallerIdle):
            await session.emit(
                "input_audio_buffer.timeout_triggered",
                audio_start_ms=heard.from_ms,
                audio_end_ms=heard.to_ms,
                item_id=self._item_id,
            )
        else:
            await session.emit(
                "input_audio_buffer.speech_stopped",
                audio_end_ms=heard.at_ms,
                item_id=self._item_id,
            )
        await self._commit()
        if detection.get("create_response"):
            await session.dialogue.respond_to_turn()

    async def commit(self, event: dict[str, Any]) -> None:
        if not self._input.committable():
            buffered_ms = f"{float(self._input.buffered_ms()):.2f}"
            message = (
                "Error committing input audio buffer: buffer too small. Expected at least 100ms "
                f"of audio, but buffer only has {buffered_ms}ms of audio."
            )
            raise Refusal("input_audio_buffer_commit_empty", message, violation=False)
        await self._commit()

    async def clear(self, event: dict[str, Any]) -> None:
        self._input.clear()
        await self._session.emit("input_audio_buffer.cleared")

    async def _commit(self) -> None:
        session = self._session
        turn = self._input.commit()
        part = {"type": "input_audio", "transcript": None}
        wire = {
            "id": self._item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [part],
        }
        self._item_id = session.new_id("item")
        item = Item(wire, turn.text, "", turn.audio_ms, session.settings.input_format)
        previous = session.dialogue.conversation.insert(item, None)
        session.dialogue.heard(turn)
        await session.emit(
            "input_audio_buffer.committed", previous_item_id=previous, item_id=item.id
        )
        await session.emit("conversation.item.added", previous_item_id=previous, item=wire)
        await session.emit("conversation.item.done", previous_item_id=previous, item=wire)
        fault = session.world.faults.take("turn", session.instructions)
        if session.settings.transcription is not None:
            delay_s = session.world.options.transcript_delay_s
            failed = False
            if fault is not None:
                late = fault.point == "late_transcript"
                delay_s = fault.number("delay_s", 5.0) if late else delay_s
                failed = fault.point == "failed_transcript"
            session.spawn(self._transcribe(item, turn, delay_s, failed))
        if fault is not None:
            await session.suffer(fault)

    async def _transcribe(self, item: Item, turn: Turn, delay_s: float, failed: bool) -> None:
        session = self._session
        asked = session.settings.transcription or {}
        await session.world.sleep(delay_s)
        place = {"item_id": item.id, "content_index": 0}
        topic = "conversation.item.input_audio_transcription"
        if failed:
            error = {"type": "server_error", "code": "server_error", "message": "It failed."}
            await session.emit(f"{topic}.failed", error=error, **place)
            return
        if turn.text:
            await session.emit(f"{topic}.delta", delta=turn.text, **place)
        item.wire["content"][0]["transcript"] = turn.text
        done: dict[str, Any] = {
            "transcript": turn.text,
            "usage": _usage(str(asked.get("model")), turn),
        }
        if asked.get("languages"):
            done["languages"] = [{"code": asked["languages"][0]}]
        await session.emit(f"{topic}.completed", **done, **place)


def _usage(model: str, turn: Turn) -> dict[str, Any]:
    if model == "whisper-1":
        return {"type": "duration", "seconds": math.ceil(turn.audio_ms / 1000)}
    audio, out = caller_tokens(turn.audio_ms), text_tokens(turn.text)
    return {
        "type": "tokens",
        "total_tokens": audio + out,
        "input_tokens": audio,
        "input_token_details": {"text_tokens": 0, "audio_tokens": audio},
        "output_tokens": out,
    }


def decoded(audio: str, param: str = "audio") -> bytes:
    if len(audio) * 3 // 4 > _MOST_APPEND_BYTES:
        message = f"Invalid '{param}': audio is larger than 15 MiB."
        raise Refusal("string_above_max_length", message, param)
    try:
        return binascii.a2b_base64(audio, strict_mode=True)
    except ValueError:
        message = f"Invalid '{param}'. Expected base64-encoded audio bytes."
        raise Refusal("invalid_value", message, param) from None


def heard_in(audio: bytes, fmt: str) -> tuple[str, int]:
    """The words in a whole recording, and its length in milliseconds."""
    ear = Ear(fmt)
    ear.hear(audio)
    ear.finish()
    return " ".join(each.text for each in ear.utterances), len(audio) // bytes_per_ms(fmt)
