"""What a journal holds: turns, notes, a beginning and an end. Pure.

Times of entries are milliseconds since the call started, so that a journal reads the same whatever
clock its reader has. Unknown fields are ignored and new ones have defaults: during a rolling deploy
the analytics of yesterday read what the worker of today wrote, and the other way round.
"""

from typing import Final, Literal

import msgspec

from callfleet.calls import CallId, CallStart, EndReason

CALL_BACK: Final = "call_back_requested"
"""A note's kind: the caller was promised that somebody will call back."""


class Turn(msgspec.Struct, frozen=True, tag_field="type", tag="turn", omit_defaults=True):
    """One side had its say."""

    role: Literal["caller", "agent"]
    text: str
    started_ms: int
    ended_ms: int
    interrupted: bool = False
    heard_ms: int | None = None  # how much of an interrupted turn was played to the caller
    item_id: str = ""  # the session's name for it
    wordless: Literal["", "off", "lost"] = ""  # spoken, and nobody wrote down what


class Note(msgspec.Struct, frozen=True, tag_field="type", tag="note", omit_defaults=True):
    """Something else worth keeping: usage, a key pressed, an error, a takeover, a tool call."""

    kind: str
    at_ms: int
    data: dict[str, str | int | float | bool | None] = {}


Entry = Turn | Note


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the call's sessions cost, in the API's own units; summed over takeovers."""

    model: str = ""
    responses: int = 0
    input_text_tokens: int = 0
    input_audio_tokens: int = 0
    input_cached_tokens: int = 0
    output_text_tokens: int = 0
    output_audio_tokens: int = 0
    input_cached_text_tokens: int = 0  # of the cached ones; zero where the API does not tell
    input_cached_audio_tokens: int = 0
    transcription_model: str = ""
    transcription_text_tokens: int = 0
    transcription_audio_tokens: int = 0
    transcription_output_tokens: int = 0
    transcription_ms: int = 0  # where the API bills sound instead of tokens


class CallEnd(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a call ended."""

    reason: EndReason
    ended_at_ms: int  # unix
    usage: Usage = Usage()
    detail: str = ""  # for people; never what a caller said
    cost_micro_usd: int | None = None  # of the sessions; None: a price is not known
    price_version: str = ""  # of callfleet/prices.json
    answers: int = 0  # how often the agent answered a caller
    answer_ms_median: int | None = None  # end of the caller's speech to first sound of the answer
    answer_ms_slowest: int | None = None


class Damage(msgspec.Struct, frozen=True):
    """A place in the journal that cannot be read; what is around it still can."""

    sequence: int  # entries count from 1; the end comes after the last
    why: Literal["missing", "unreadable"]


class CallRecord(msgspec.Struct, frozen=True):
    """All of a journal, as far as it can be read."""

    start: CallStart
    entries: list[Entry]
    end: CallEnd | None
    damage: list[Damage] = []
    takeovers: int = 0  # how often another worker had to go on with the call

    @property
    def turns(self) -> list[Turn]:
        return [entry for entry in self.entries if isinstance(entry, Turn)]

    @property
    def call_id(self) -> CallId:
        return self.start.call_id


_entry: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
_end = msgspec.json.Decoder(CallEnd)


def encode_entry(entry: Entry) -> bytes:
    return msgspec.json.encode(entry)


def decode_entry(data: bytes) -> Entry:
    """Raises `msgspec.DecodeError` on what is no entry."""
    return _entry.decode(data)


def encode_end(end: CallEnd) -> bytes:
    return msgspec.json.encode(end)


def decode_end(data: bytes) -> CallEnd:
    """Raises `msgspec.DecodeError` on what is no end."""
    return _end.decode(data)
