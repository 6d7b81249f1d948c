"""The input audio buffer of a session and its turn detection. Pure: its only clock is the audio.

Time is the position in the stream, so a caller whose audio comes ten times faster than speech
is heard exactly as one who speaks in real time.
"""

from dataclasses import dataclass
from typing import Any

from simulators.speech import Ear, SpeechStarted, SpeechStopped, Utterance, bytes_per_ms

_VOICE_PROBABILITY = 0.9  # how sure a detector is of simulated speech; above it, it hears nothing
_UTTERANCES_PER_TURN = 500
_MAX_WAIT_MS = {"low": 8000, "medium": 4000, "auto": 4000, "high": 2000}
_FINISHED_WAIT_MS = 300
_LEAST_COMMIT_MS = 100


@dataclass(frozen=True, slots=True)
class TurnBegan:
    at_ms: int


@dataclass(frozen=True, slots=True)
class TurnEnded:
    at_ms: int


@dataclass(frozen=True, slots=True)
class CallerIdle:
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Turn:
    """What a commit makes a user item of."""

    text: str
    audio_ms: int
    complete: bool


Heard = TurnBegan | TurnEnded | CallerIdle


class InputAudio:
    """Bytes in, turns out; holds words, never the audio."""

    def __init__(self, fmt: str, detection: dict[str, Any] | None) -> None:
        self._ear = Ear(fmt)
        self._fmt = fmt
        self._offset_ms = 0
        self._detection = detection
        self._utterances: list[Utterance] = []
        self._begin_ms = 0  # of what a commit would take
        self._in_turn = False
        self._quiet_since_ms = 0
        self._idle_from_ms: int | None = None

    @property
    def position_ms(self) -> int:
        return self._offset_ms + self._ear.position_ms

    @property
    def in_turn(self) -> bool:
        return self._in_turn

    def configure(self, fmt: str, detection: dict[str, Any] | None) -> None:
        if fmt != self._fmt:
            self._offset_ms = self.position_ms
            self._ear, self._fmt = Ear(fmt), fmt
        if detection is None:
            self._in_turn = False
        self._detection = detection

    def feed(self, audio: bytes) -> list[Heard]:
        heard: list[Heard] = []
        for event in self._ear.hear(audio):
            if isinstance(event, SpeechStarted):
                self._started(self._offset_ms + event.at_ms, heard)
            else:
                self._stopped(event)
        if self._detection is not None:
            self._look_for_silence(self.position_ms, heard)
        return heard

    def _started(self, at_ms: int, heard: list[Heard]) -> None:
        if self._detection is None or self._deaf:
            return
        self._look_for_silence(at_ms, heard)
        self._idle_from_ms = None
        if not self._in_turn:
            self._in_turn = True
            padding_ms = int(self._detection.get("prefix_padding_ms", 0))
            begin_ms = max(self._begin_ms, at_ms - padding_ms)
            self._begin_ms = begin_ms
            heard.append(TurnBegan(begin_ms))

    def _stopped(self, event: SpeechStopped) -> None:
        self._ear.utterances.clear()
        self._quiet_since_ms = self._offset_ms + event.at_ms
        if not self._deaf and len(self._utterances) < _UTTERANCES_PER_TURN:
            self._utterances.append(event.utterance)

    def _look_for_silence(self, now_ms: int, heard: list[Heard]) -> None:
        if self._in_turn:
            speaking = self._ear.speaking and now_ms >= self.position_ms
            if not speaking and now_ms - self._quiet_since_ms >= self._silence_ms:
                self._in_turn = False
                heard.append(TurnEnded(self._quiet_since_ms + self._silence_ms))
        elif self._idle_from_ms is not None and self._detection is not None:
            limit_ms = self._detection.get("idle_timeout_ms")
            if limit_ms is not None and now_ms - self._idle_from_ms >= limit_ms:
                heard.append(CallerIdle(self._idle_from_ms, self._idle_from_ms + limit_ms))
                self._idle_from_ms = None

    @property
    def _deaf(self) -> bool:
        threshold: float = (self._detection or {}).get("threshold", 0.5)
        return threshold > _VOICE_PROBABILITY

    @property
    def _silence_ms(self) -> int:
        assert self._detection is not None
        if self._detection["type"] == "server_vad":
            return int(self._detection["silence_duration_ms"])
        last = self._utterances[-1].text.rstrip() if self._utterances else ""
        if last.endswith((".", "!", "?")) and not last.endswith("..."):
            return _FINISHED_WAIT_MS
        return _MAX_WAIT_MS[self._detection["eagerness"]]

    def expect_caller(self, after_ms: int) -> None:
        """A response is over and plays for `after_ms` more: from then on the caller is awaited."""
        self._idle_from_ms = self.position_ms + after_ms

    def committable(self) -> bool:
        return self.position_ms - self._begin_ms >= _LEAST_COMMIT_MS

    def buffered_ms(self) -> int:
        return self.position_ms - self._begin_ms

    def commit(self) -> Turn:
        """Everything since the last commit becomes a turn; what is being said is cut there."""
        for event in self._ear.finish():
            if isinstance(event, SpeechStopped):
                self._stopped(event)
        text = " ".join(each.text for each in self._utterances if each.text)
        complete = all(each.complete for each in self._utterances)
        turn = Turn(text, self.buffered_ms(), complete)
        self.clear()
        return turn

    def clear(self) -> None:
        self._ear.finish()
        self._ear.utterances.clear()
        self._utterances = []
        self._begin_ms = self.position_ms
        self._in_turn = False


def input_ms(audio: bytes, fmt: str) -> int:
    return len(audio) // bytes_per_ms(fmt)
