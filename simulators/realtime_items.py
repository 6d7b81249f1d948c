"""The conversation of a session: its items in order, what each costs, what is left of it.

Audio is kept as the words it carries, since simulated speech can be made again from them. So the
memory of a session is bounded by its words and by a count of items, beyond which the oldest leave
as they do under `truncation: auto`.
"""

import base64
import math
from dataclasses import dataclass, field
from typing import Any

from simulators.realtime_checks import Refusal
from simulators.speech import bytes_per_ms, speak, spoken_by

CHARS_PER_S = 15.0
_MOST_ITEMS = 1000
_CALLER_TOKEN_MS = 100
_VOICE_TOKEN_MS = 50


def text_tokens(text: str) -> int:
    return math.ceil(len(text) / 4)


def caller_tokens(audio_ms: int) -> int:
    return audio_ms // _CALLER_TOKEN_MS


def voice_tokens(audio_ms: int) -> int:
    return audio_ms // _VOICE_TOKEN_MS


@dataclass(slots=True)
class Item:
    """One item. `wire` is the item without its audio; the words are what a brain reads of it."""

    wire: dict[str, Any]
    words: str = ""
    spoken: str = ""  # all that the voice set out to say
    audio_ms: int = 0
    fmt: str = "audio/pcmu"
    chars_per_s: float = CHARS_PER_S
    was_cut: bool = False

    @property
    def id(self) -> str:
        return str(self.wire["id"])

    @property
    def role(self) -> str:
        return str(self.wire.get("role", self.wire["type"]))

    @property
    def text_tokens(self) -> int:
        return 0 if self.audio_ms else text_tokens(self.words)

    @property
    def audio_tokens(self) -> int:
        if self.role == "assistant":
            return voice_tokens(self.audio_ms)
        return caller_tokens(self.audio_ms)

    def with_audio(self) -> dict[str, Any]:
        """The item as `conversation.item.retrieve` answers it."""
        content = [dict(part) for part in self.wire.get("content", [])]
        for part in content:
            if part["type"] in ("input_audio", "output_audio"):
                words = self.spoken or self.words
                audio = speak(words, self.fmt, chars_per_s=self.chars_per_s)
                audio = audio[: self.audio_ms * bytes_per_ms(self.fmt)]
                part["audio"] = base64.b64encode(audio).decode()
        return {**self.wire, "content": content} if content else dict(self.wire)

    def cut(self, audio_end_ms: int) -> None:
        """Forget what the caller did not hear."""
        self.was_cut = True
        self.audio_ms = audio_end_ms
        self.words = spoken_by(self.spoken, audio_end_ms, chars_per_s=self.chars_per_s)
        for part in self.wire["content"]:
            part["transcript"] = self.words


def words_of(wire: dict[str, Any]) -> str:
    """What is said in an item: its texts, a tool's output, a call's arguments."""
    if wire["type"] == "function_call_output":
        return str(wire["output"])
    if wire["type"] == "function_call":
        return f"{wire['name']} {wire['arguments']}"
    parts = wire.get("content", [])
    return " ".join(str(part.get("text") or part.get("transcript") or "") for part in parts)


@dataclass(slots=True)
class Conversation:
    """The items of the default conversation, in order."""

    id: str
    items: list[Item] = field(default_factory=list)

    def find(self, item_id: str, operation: str) -> Item:
        for item in reversed(self.items):
            if item.id == item_id:
                return item
        raise Refusal(
            f"item_{operation}_invalid_item_id",
            f"Error {operation[:-1]}ing item: the item with id '{item_id}' does not exist.",
            "item_id",
            violation=False,
        )

    @property
    def last_id(self) -> str | None:
        return self.items[-1].id if self.items else None

    def before(self, item_id: str) -> str | None:
        """The id of the item before this one."""
        previous = None
        for item in self.items:
            if item.id == item_id:
                return previous
            previous = item.id
        return previous

    def insert(self, item: Item, after: str | None) -> str | None:
        """Put it after an item, at the "root", or at the end; returns the id of the one before."""
        if any(item.id == each.id for each in self.items):
            message = f"Error adding item: an item with id '{item.id}' already exists."
            raise Refusal("item_create_duplicate_item_id", message, "item.id")
        if after is None:
            before = self.last_id
            self.items.append(item)
        elif after == "root":
            before = None
            self.items.insert(0, item)
        else:
            before = self._insert_after(item, after)
        if len(self.items) > _MOST_ITEMS:
            del self.items[0]
        return before

    def _insert_after(self, item: Item, after: str) -> str:
        for index, each in enumerate(self.items):
            if each.id == after:
                self.items.insert(index + 1, item)
                return after
        message = f"Error adding item: the previous item with id '{after}' does not exist."
        raise Refusal("item_create_invalid_previous_item_id", message, "previous_item_id")

    def delete(self, item_id: str) -> None:
        self.items.remove(self.find(item_id, "delete"))

    def truncate(self, item_id: str, audio_end_ms: int) -> None:
        item = self.find(item_id, "truncate")
        if item.role != "assistant":
            message = "Only assistant message items can be truncated."
            raise Refusal("invalid_value", message, "item_id")
        if not item.spoken:
            message = "Only items with audio content can be truncated."
            raise Refusal("invalid_value", message, "content_index")
        if audio_end_ms > item.audio_ms:
            message = f"Audio content of {item.audio_ms}ms is already shorter than {audio_end_ms}ms"
            raise Refusal("invalid_value", message, "audio_end_ms")
        item.cut(audio_end_ms)
