"""Who said what, in the order in which it was said. Pure.

Theory of operation. A line begins when a voice begins; that fixes its place. It is finished when
its words are known and, for the agent, when it is known how much of it was heard. Finished lines
leave in order, so a caller's words that are transcribed late hold back the answer to them; they do
so for a bounded time (`release(force=True)`), and a line passed over keeps its place in time by its
`started_ms`. Of speech that was cut off, the words are kept in proportion to the sound that was
heard, rounded down to whole words: a journal must never claim that the caller heard something.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from callfleet.journal_entries import Turn

FASTEST_SPEECH: Final = (
    25  # letters a second: words beyond what so much sound can hold were not said
)


@dataclass(slots=True)
class _Line:
    role: Literal["caller", "agent"]
    name: str
    started_ms: int
    ended_ms: int | None = None
    words: list[str] = field(default_factory=list)
    worded: bool = False  # no more words will come
    wordless: Literal["", "off", "lost"] = ""  # there were words, which nobody wrote down
    broken: bool = False  # the voice stopped in the middle, by no one's wish
    heard_ms: int | None = None  # of speech that was cut
    passed_over: int = 0

    @property
    def finished(self) -> bool:
        return self.worded and self.ended_ms is not None

    def turn(self, now_ms: int) -> Turn | None:
        text = "".join(self.words).strip()
        if not text and not self.wordless:
            return None  # a cough the detector took for speech, or an answer nobody heard
        ended_ms = now_ms if self.ended_ms is None else self.ended_ms
        return Turn(
            role=self.role,
            text=text,
            started_ms=self.started_ms,
            ended_ms=max(ended_ms, self.started_ms),
            interrupted=self.heard_ms is not None,
            heard_ms=self.heard_ms,
            item_id=self.name,
            wordless="" if text else self.wordless,
        )


def words_heard(text: str, heard_ms: int, sent_ms: int) -> str:
    """The whole words of `text` that lie within the part that was heard."""
    if not text or heard_ms >= sent_ms:
        return text
    end = len(text) * heard_ms // sent_ms
    if not text[end].isspace():
        while end and not text[end - 1].isspace():
            end -= 1
    return text[:end].rstrip()


@dataclass(slots=True)
class Transcript:
    """The lines of one call that are not in the journal yet."""

    transcribed: bool = True  # the caller's words will come
    _lines: dict[str, _Line] = field(default_factory=dict)  # by start
    _clock_ms: int = 0
    _worded_until_ms: int = 0  # no caller's line that began before this is of unknown words

    def caller_started(self, turn: str, at_ms: int) -> None:
        self._lines.setdefault(turn, _Line("caller", turn, self._in_order(at_ms)))

    def caller_stopped(self, turn: str, at_ms: int) -> None:
        if line := self._lines.get(turn):
            line.ended_ms = at_ms

    def caller_ended(self, turn: str, at_ms: int) -> None:
        """The turn is complete; a turn nobody heard begin (keys, push to talk) begins here."""
        line = self._lines.setdefault(turn, _Line("caller", turn, self._in_order(at_ms)))
        if line.ended_ms is None:
            line.ended_ms = at_ms
        if not self.transcribed:
            line.worded, line.wordless = True, "off"

    def caller_words(self, turn: str, text: str | None, at_ms: int) -> None:
        line = self._lines.get(turn)
        if line is None:
            return
        line.words, line.worded = [text or ""], True
        line.wordless = "lost" if text is None else ""
        self._worded_until_ms = max(self._worded_until_ms, line.started_ms + 1)
        if line.ended_ms is None:
            line.ended_ms = at_ms

    def agent_started(self, item: str, at_ms: int) -> None:
        self._lines.setdefault(item, _Line("agent", item, self._in_order(at_ms)))

    def agent_words(self, item: str, text: str) -> None:
        line = self._lines.get(item)
        if line is not None and not line.worded:
            line.words.append(text)

    def agent_said(self, item: str, text: str) -> None:
        line = self._lines.get(item)
        if line is not None and not line.worded:
            line.words, line.worded = [text], True

    def agent_finished_wording(self) -> None:
        """The agent's turn is over: whatever words its items have are all they will have."""
        for line in self._lines.values():
            if line.role == "agent":
                line.worded = True

    def agent_broke_off(self, item: str, length_ms: int) -> None:
        """The voice stopped here. Words run ahead of it; how far is not known, only a bound."""
        line = self._lines.get(item)
        if line is None or line.worded:
            return
        text = "".join(line.words)
        most_ms = max(1, len(text) * 1000 // FASTEST_SPEECH)
        line.words, line.worded = [words_heard(text, length_ms, most_ms)], True
        line.broken = True

    def agent_heard(self, item: str, at_ms: int, length_ms: int) -> None:
        if line := self._lines.get(item):
            line.ended_ms = at_ms
            line.heard_ms = length_ms if line.broken else None

    def agent_cut(self, item: str, heard_ms: int, sent_ms: int, at_ms: int) -> None:
        if line := self._lines.get(item):
            line.words = [words_heard("".join(line.words), heard_ms, sent_ms)]
            line.worded, line.heard_ms, line.ended_ms = True, heard_ms, at_ms

    def release(self, *, force: bool = False) -> list[Turn]:
        """Finished lines, up to the first unfinished one; `force` passes over those that wait."""
        turns: list[Turn] = []
        for line in list(self._lines.values()):
            if not line.finished:
                if not force:
                    break
                self._pass_over(line)
            if line.finished:
                del self._lines[line.name]
                turn = line.turn(line.started_ms)
                turns += [turn] if turn else []
        return turns

    def flush(self, now_ms: int) -> list[Turn]:
        """Everything there is, at the end of the call."""
        lines, self._lines = self._lines, {}
        turns = []
        for line in lines.values():
            # An utterance that was complete but never written down did happen.
            if line.role == "caller" and not line.worded:
                line.wordless = "lost"
            turns.append(line.turn(now_ms))
        return [turn for turn in turns if turn]

    def session_lost(self, repeatable_since_ms: int) -> tuple[int | None, bool]:
        """No words will come for what the caller said. What is fresh enough can be heard again by
        the next session: it is taken out here. Returns since when, and whether any was too old."""
        since_ms: int | None = None
        lost = False
        for line in list(self._lines.values()):
            if line.role != "caller" or line.worded:
                continue
            fresh = line.started_ms >= max(repeatable_since_ms, self._worded_until_ms)
            if fresh:
                del self._lines[line.name]
                since_ms = line.started_ms if since_ms is None else since_ms
            else:
                line.worded, line.wordless, lost = True, "lost", True
                line.ended_ms = self._clock_ms if line.ended_ms is None else line.ended_ms
        return since_ms, lost

    def standing(self, now_ms: int) -> list[Turn]:
        """Lines with words that are not in the journal yet, as they would be written now."""
        turns = [line.turn(now_ms) for line in self._lines.values()]
        return [turn for turn in turns if turn]

    @property
    def blocked(self) -> bool:
        """A finished line waits for an earlier one."""
        return any(line.finished for line in self._lines.values())

    @property
    def words_due(self) -> bool:
        """A caller's turn is complete and its words are still to come."""
        return any(line.role == "caller" and not line.worded for line in self._lines.values())

    def _pass_over(self, line: _Line) -> None:
        line.passed_over += 1
        if line.role == "caller" and line.passed_over > 1 and line.ended_ms is not None:
            line.worded, line.wordless = True, "lost"  # waited for twice

    def _in_order(self, at_ms: int) -> int:
        """Starts never go back: a voice noticed late still came after what is written already."""
        self._clock_ms = max(self._clock_ms, at_ms)
        return self._clock_ms
