"""Speech that carries its words: samples which spell the text, so that hearing proves delivery.

`speak` makes it and `Ear` understands it. A transcript made from such audio is right only if every
byte arrived, once, in order; whatever was lost, repeated, reordered or damaged shows as `DAMAGE` in
the text and in the counters of the utterance. Anything else on the line, music or noise, is not
speech. How a single frame is written is the matter of `speech_frames`.
"""

import functools
import math
import zlib
from dataclasses import dataclass

from simulators.speech_frames import (
    FORMATS,
    FRAME_MS,
    FRAMES_PER_UTTERANCE,
    LETTERS_PER_FRAME,
    PCM,
    PCMA,
    PCMU,
    Frame,
    decode,
    encode,
    held,
)

__all__ = [
    "DAMAGE",
    "FRAME_MS",
    "PCM",
    "PCMA",
    "PCMU",
    "Ear",
    "Event",
    "SpeechStarted",
    "SpeechStopped",
    "Utterance",
    "bytes_per_ms",
    "silence",
    "speak",
    "speech_ms",
    "spoken_by",
]

DAMAGE = "\ufffd"
_PATIENCE_MS = 100


def bytes_per_ms(fmt: str) -> int:
    return FORMATS[fmt].bytes_per_ms


def silence(ms: int, fmt: str = PCMU) -> bytes:
    """`ms` milliseconds of digital silence."""
    return FORMATS[fmt].quiet[:1] * (ms * FORMATS[fmt].bytes_per_ms)


def speech_ms(text: str, *, chars_per_s: float = 15.0) -> int:
    """How long it takes to say `text`."""
    return _frames(text, chars_per_s) * FRAME_MS


def spoken_by(text: str, ms: int, *, chars_per_s: float = 15.0) -> str:
    """The words of `text` that have been spoken to their end `ms` milliseconds after it began."""
    total = _frames(text, chars_per_s)
    heard = min(max(ms, 0) // FRAME_MS, total)
    if heard == total:
        return text
    end = heard * len(text) // total
    return _whole_words(text[:end], _at_word_end(text, end))


@functools.lru_cache(maxsize=64)
def speak(text: str, fmt: str = PCMU, *, chars_per_s: float = 15.0) -> bytes:
    """Whole frames of audio, about `len(text) / chars_per_s` seconds, that carry `text`."""
    total = _frames(text, chars_per_s)
    if total > FRAMES_PER_UTTERANCE:
        raise ValueError(f"{len(text)} characters are too many for one utterance")
    name = zlib.crc32(text.encode("utf-8", "surrogatepass"), total)
    frames: list[bytes] = []
    for number in range(total):
        start, end = number * len(text) // total, (number + 1) * len(text) // total
        frame = Frame(name, total, number, _at_word_end(text, end), text[start:end])
        frames.append(encode(frame))
    codes = b"".join(frames)
    return held(codes) if fmt == PCM else codes


def _frames(text: str, chars_per_s: float) -> int:
    paced = math.ceil(len(text) / chars_per_s * 1000 / FRAME_MS)
    return max(paced, math.ceil(len(text) / LETTERS_PER_FRAME))


def _at_word_end(text: str, end: int) -> bool:
    return end == len(text) or text[end].isspace() or (end > 0 and text[end - 1].isspace())


def _whole_words(text: str, at_word_end: bool) -> str:
    if at_word_end:
        return text.rstrip()
    end = len(text)
    while end and not text[end - 1].isspace():
        end -= 1
    return text[:end].rstrip()


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one `speak` turned into on its way here."""

    text: str
    started_ms: int
    ended_ms: int
    complete: bool  # every frame, once, in order, undamaged
    lost_frames: int  # holes before the last frame heard; a cut end is no hole
    reordered: int  # frames that came late or twice
    gap_ms: int  # time between its frames that was not speech


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    at_ms: int
    utterance: Utterance


Event = SpeechStarted | SpeechStopped


class _Hearing:
    """The utterance that is being heard: frames in, words out."""

    __slots__ = (  # one per sentence and call in load tests
        "at_word_end",
        "ended",
        "heard",
        "last",
        "lost",
        "name",
        "parts",
        "reordered",
        "started",
        "total",
    )

    def __init__(self, frame: Frame, started: int) -> None:
        self.name, self.total, self.started = frame.utterance, frame.total, started
        self.parts: list[str] = []
        self.last = -1
        self.ended = started
        self.lost = self.reordered = self.heard = 0
        self.at_word_end = True

    def add(self, frame: Frame) -> None:
        if frame.number > self.last:
            missing = frame.number - self.last - 1
            self.lost += missing
            if missing:
                self.parts.append(DAMAGE)
            self.last = frame.number
        else:
            self.reordered += 1
            self.parts.append(DAMAGE)
        self.parts.append(frame.letters)
        self.at_word_end = frame.at_word_end
        self.heard += 1

    @property
    def finished(self) -> bool:
        return self.last == self.total - 1

    def continues(self, frame: Frame) -> bool:
        """Whether a frame belongs here; a first frame after others is the same words said again."""
        return frame.utterance == self.name and (frame.number > 0 or self.last <= 0)

    def utterance(self, bytes_per_ms: int) -> Utterance:
        text = "".join(self.parts)
        undamaged = not self.lost and not self.reordered
        if not self.finished:
            text = _whole_words(text, self.at_word_end)
        started, ended = self.started // bytes_per_ms, self.ended // bytes_per_ms
        gap_ms = max(0, ended - started - self.heard * FRAME_MS)
        complete = undamaged and self.finished
        return Utterance(text, started, ended, complete, self.lost, self.reordered, gap_ms)


class Ear:
    """Hears a byte stream cut anywhere, and knows what it heard.

    An utterance ends with its last frame, when another begins, or after 100 ms without a frame.
    """

    def __init__(self, fmt: str = PCMU) -> None:
        self._format = FORMATS[fmt]
        self._pending = b""  # from a possible sync pattern on
        self._heard_bytes = 0
        self._current: _Hearing | None = None
        self.utterances: list[Utterance] = []

    @property
    def position_ms(self) -> int:
        return self._heard_bytes // self._format.bytes_per_ms

    @property
    def speaking(self) -> bool:
        return self._current is not None

    @property
    def current(self) -> Utterance | None:
        """The unfinished utterance as far as it was heard."""
        if self._current is None:
            return None
        return self._current.utterance(self._format.bytes_per_ms)

    def hear(self, audio: bytes) -> list[Event]:
        """Take the next bytes of the stream; returns what began and ended within them."""
        self._heard_bytes += len(audio)
        events: list[Event] = []
        if self._pending or audio.strip(self._format.quiet):
            self._read_frames(audio, events)
        if self._current is not None and self._waited(self._heard_bytes - len(self._pending)):
            self._end(events)
        return events

    def finish(self) -> list[Event]:
        """The stream is over: whatever was being said ends here."""
        events: list[Event] = []
        self._end(events)
        return events

    def _read_frames(self, audio: bytes, events: list[Event]) -> None:
        data = self._pending + audio
        sync, size = self._format.sync, self._format.frame_bytes
        origin = self._heard_bytes - len(data)
        rest = 0
        while (at := data.find(sync, rest)) >= 0 and at + size <= len(data):
            frame = decode(data[at : at + size], self._format)
            if frame is None:
                rest = at + 1
            else:
                self._take(frame, origin + at, events)
                rest = at + size
        self._pending = data[at:] if at >= 0 else _possible_start(data[rest:], sync)

    def _take(self, frame: Frame, start: int, events: list[Event]) -> None:
        current = self._current
        if current is not None and (self._waited(start) or not current.continues(frame)):
            self._end(events)
        if self._current is None:
            self._current = _Hearing(frame, start)
            events.append(SpeechStarted(start // self._format.bytes_per_ms))
        self._current.add(frame)
        self._current.ended = start + self._format.frame_bytes
        if self._current.finished:
            self._end(events)

    def _waited(self, until: int) -> bool:
        assert self._current is not None
        quiet_bytes = until - self._current.ended
        return quiet_bytes >= _PATIENCE_MS * self._format.bytes_per_ms

    def _end(self, events: list[Event]) -> None:
        if self._current is None:
            return
        utterance = self._current.utterance(self._format.bytes_per_ms)
        self._current = None
        self.utterances.append(utterance)
        events.append(SpeechStopped(utterance.ended_ms, utterance))


def _possible_start(data: bytes, sync: bytes) -> bytes:
    """The end of `data` that may be the beginning of a sync pattern."""
    for length in range(min(len(sync) - 1, len(data)), 0, -1):
        if data.endswith(sync[:length]):
            return data[-length:]
    return b""
