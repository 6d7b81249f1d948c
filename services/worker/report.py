"""What one call amounted to: counted while it lives, told in one line when it ends. Pure."""

from dataclasses import dataclass

from callfleet.journal_entries import Usage


@dataclass(slots=True)
class Report:
    """Plain integers: some of them move fifty times a second."""

    from_caller: int = 0  # bytes of sound
    from_agent: int = 0
    turns: int = 0
    interruptions: int = 0
    answers: int = 0
    answer_ms: int | None = None  # of an answer not yet measured in full
    _answers_ms: int = 0
    _slowest_ms: int = 0
    _told_caller: int = 0
    _told_agent: int = 0

    def answered(self, after_ms: int) -> None:
        self.answers += 1
        self.answer_ms = after_ms
        self._answers_ms += after_ms
        self._slowest_ms = max(self._slowest_ms, after_ms)

    def take_answer_ms(self) -> int:
        answer_ms, self.answer_ms = self.answer_ms, None
        return answer_ms or 0

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
            "answer_ms_mean": self._answers_ms // self.answers if self.answers else 0,
            "answer_ms_slowest": self._slowest_ms,
            "bytes_from_caller": self.from_caller,
            "bytes_from_agent": self.from_agent,
            "responses": usage.responses,
            "tokens_in": usage.input_text_tokens + usage.input_audio_tokens,
            "tokens_in_cached": usage.input_cached_tokens,
            "tokens_out": usage.output_text_tokens + usage.output_audio_tokens,
        }
