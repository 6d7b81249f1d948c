"""One message of a response, spoken or written: its events, their pieces and their pace.

The voice leaves faster than it speaks, in deltas that fit no frame, a few at once and then a pause.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from simulators.realtime_items import CHARS_PER_S, Item, text_tokens
from simulators.speech import PCM, bytes_per_ms, speak

if TYPE_CHECKING:
    from simulators.realtime_response import Response

_TOKENS_PER_CHAR = 0.25 + 20 / CHARS_PER_S


class Message:
    def __init__(self, response: "Response", text: str, index: int) -> None:
        self._response = response
        self._emit = response.session.emit
        self._text, self._cut = self._within_limits(text)
        self._spoken = response.order.modality == "audio"
        self._wire: dict[str, Any] = {
            "id": response.session.new_id("item"),
            "object": "realtime.item",
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        self._item = Item(self._wire, fmt=response.order.audio_format["type"])
        self._place: dict[str, Any] = {
            "response_id": response.id,
            "item_id": self._item.id,
            "output_index": index,
            "content_index": 0,
        }

    def _within_limits(self, text: str) -> tuple[str, str]:
        fault, limit = self._response.fault, self._response.order.max_output_tokens
        if fault is not None and fault.point == "content_filter":
            return text[: len(text) // 2], "content_filter"
        if fault is not None and fault.point == "incomplete":
            return text[: len(text) // 2], "max_output_tokens"
        if limit != "inf":
            per_char = _TOKENS_PER_CHAR if self._response.order.modality == "audio" else 0.25
            most = int(limit / per_char)
            if len(text) > most:
                return text[:most], "max_output_tokens"
        return text, ""

    async def tell(self) -> str:
        """Send it; returns why it stopped short, if it did for a reason of its own."""
        index = self._place["output_index"]
        await self._response.begin(self._item, index)
        await self._emit("response.content_part.added", part=self._part(), **self._place)
        if self._spoken:
            await self._speak()
        else:
            await self._write()
        await self._emit("response.content_part.done", part=self._part(), **self._place)
        words = self._item.words
        part = {"type": "output_text", "text": words}
        if self._spoken:
            part = {"type": "output_audio", "transcript": words}
        self._wire["content"] = [part]
        stopped = self._cut or self._response.cancelling
        self._wire["status"] = "incomplete" if stopped else "completed"
        self._response.out.text_tokens += text_tokens(words)
        await self._response.end(self._item, index)
        return self._cut

    def _part(self) -> dict[str, Any]:
        if self._spoken:
            return {"type": "audio", "transcript": self._item.words}
        return {"type": "text", "text": self._item.words}

    async def _speak(self) -> None:
        item, response = self._item, self._response
        item.spoken, item.chars_per_s = self._text, CHARS_PER_S * response.order.speed
        audio = speak(self._text, item.fmt, chars_per_s=item.chars_per_s)
        per_ms, sent = bytes_per_ms(item.fmt), 0
        response.session.spoke()
        for burst in self._bursts(audio, item.fmt):
            for chunk in burst:
                sent += len(chunk)
                await self._transcribe(len(self._text) * sent // len(audio))
                await response.session.emit_audio(self._place, chunk)
                item.audio_ms = sent // per_ms
                await response.after_delta()
                if response.cancelling or item.was_cut:
                    break
            if response.cancelling or item.was_cut:
                break
            burst_s = sum(map(len, burst)) / per_ms / 1000
            await response.pause(burst_s / response.world.options.audio_speed)
        response.out.audio_ms += sent // per_ms
        await self._emit("response.output_audio.done", **self._place)
        done = "response.output_audio_transcript.done"
        await self._emit(done, transcript=item.words, **self._place)

    async def _transcribe(self, letters: int) -> None:
        """Send the transcript up to the word in which the audio is about to be."""
        told = len(self._item.words)
        until = _word_end(self._text, letters)
        if until > told:
            self._item.words = self._text[:until]
            delta = self._text[told:until]
            await self._emit("response.output_audio_transcript.delta", delta=delta, **self._place)

    def _bursts(self, audio: bytes, fmt: str) -> Iterator[list[bytes]]:
        """The audio in seeded pieces of 20 to 400 ms, one to four at a time."""
        unit = 6 if fmt == PCM else 1
        draw = self._response.random.randint
        at = 0
        while at < len(audio):
            burst = []
            for _ in range(draw(1, 4)):
                size = draw(161, 3200) * unit
                burst.append(audio[at : at + size])
                at += size
            yield [chunk for chunk in burst if chunk]

    async def _write(self) -> None:
        item, response, at = self._item, self._response, 0
        while at < len(self._text) and not response.cancelling:
            until = _word_end(self._text, at + response.random.randint(1, 24))
            item.words = self._text[:until]
            delta = self._text[at:until]
            await self._emit("response.output_text.delta", delta=delta, **self._place)
            at = until
            await response.after_delta()
            await response.pause(0.005)
        await self._emit("response.output_text.done", text=item.words, **self._place)


def _word_end(text: str, at: int) -> int:
    """The end of the word that holds the letter before `at`, with the space after it."""
    while 0 < at < len(text) and not text[at - 1].isspace():
        at += 1
    return min(at, len(text))
