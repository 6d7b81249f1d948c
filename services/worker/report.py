"""What one call amounted to: counted while it lives, told in one line when it ends. Pure."""

import statistics
from dataclasses import dataclass, field

from callfleet.journal_entries import Note, Usage
from services.worker.dialogue import Answered

ANSWER = "answer"  # the kind of note that keeps a wait


@dataclass(slots=True)
class Report:
    """Plain integers: some of them move fifty times a second."""

    from_caller: int = 0  # bytes of sound
    from_agent: int = 0
    turns: int = 0
    interruptions: int = 0
    answer: Answered | None = None  # not yet measured in full
    _answers_ms: list[int] = field(default_factory=list)
    _told_caller: int = 0
    _told_agent: int = 0

    def answered(self, answer: Answered) -> None:
        self.answer = answer
        self._answers_ms.append(answer.after_ms)

    def measured(self, answer: Answered, own_s: float, now_ms: int) -> Note:
        """An answer for the journal: how long its caller waited, and for whom."""
        self.answer = None
        waits: dict[str, str | int | float | bool | None] = {
            "after_ms": answer.after_ms,
            "own_ms": round(own_s * 1000, 3),
        }
        if answer.decided_ms is not None:
            waits["decided_ms"] = answer.decided_ms
            waits["api_ms"] = answer.after_ms - answer.decided_ms
        return Note(ANSWER, now_ms, waits)

    @property
    def answers(self) -> int:
        return len(self._answers_ms)

    @property
    def answer_ms_median(self) -> int | None:
        return round(statistics.median(self._answers_ms)) if self._answers_ms else None

    @property
    def answer_ms_slowest(self) -> int | None:
        return max(self._answers_ms, default=None)

    def take_audio(self) -> tuple[int, int]:
        """Sound since this was last asked: from the caller, from the agent."""
        new = self.from_caller - self._told_caller, self.from_agent - self._told_agent
        self._told_caller, self._told_agent = self.from_caller, self.from_agent
        return new

    def facts(self, usage: Usage) -> dict[str, int]:
        """For the call's one log line."""
        return {
            "turns": self.turns,
            "interruptions": self.interruptions,
            "answers": self.answers,
            "answer_ms_median": self.answer_ms_median or 0,
            "answer_ms_slowest": self.answer_ms_slowest or 0,
            "bytes_from_caller": self.from_caller,
            "bytes_from_agent": self.from_agent,
            "responses": usage.responses,
            "tokens_in": usage.input_text_tokens + usage.input_audio_tokens,
            "tokens_in_cached": usage.input_cached_tokens,
            "tokens_out": usage.output_text_tokens + usage.output_audio_tokens,
        }
