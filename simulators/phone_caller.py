"""A person on the phone: hears 20 ms, says 20 ms, and behaves as the script says. Pure; time comes
from outside.

The behaviour is a generator that is resumed once per frame and yields what leaves the mouth, so a
script reads top to bottom and no call needs a task. Waiting is always bounded by patience: a line
that stays silent ends with a caller who asks whether anybody is there and then hangs up, which the
report shows, and never with a call that hangs.
"""

from collections import deque
from collections.abc import Generator
from typing import Literal

from simulators.phone_playout import FRAME_BYTES, FRAME_MS
from simulators.phone_report import BargeIn, CallReport, Said, Turn
from simulators.phone_scripts import HangUp, Interrupt, Listen, Press, Script, Speak, Step, Wait
from simulators.speech import Ear, Event, SpeechStarted, speak, spoken_by

_SILENT_CODES = b"\xff\x7f"
Behaviour = Generator[bytes | None, None, None]


class _PutsPhoneDown(Exception):
    def __init__(self, why: Literal["caller_hung_up", "caller_gave_up"]) -> None:
        super().__init__(why)
        self.why = why


class Caller:
    """One caller, for the whole call, whatever streams come and go meanwhile."""

    def __init__(self, script: Script, report: CallReport) -> None:
        self.hung_up: Literal["caller_hung_up", "caller_gave_up"] | None = None
        self.hears_other_sound = False  # music, for one: nobody says "hello?" to it
        self.keys: deque[str] = deque()  # pressed, not yet on the wire
        self.script = script
        self._report = report
        self._ear = Ear()
        self._behaviour: Behaviour = self._behave()
        self._now_ms = 0
        self._last_heard_ms = 0  # when the line last was not silent
        self._answered = False  # somebody has spoken, and stopped, since the caller's last line
        self._asked_ms: int | None = 0  # since when an answer is awaited; the greeting is one
        self._greeted = False
        self._speaking_to_ms = -1  # until when the carrier itself is speaking

    def tick(self, heard: bytes, now_ms: int) -> bytes | None:
        """20 ms of life: takes what the ear gets, returns what the mouth says (None is silence)."""
        if self.hung_up:
            return None
        self._now_ms = now_ms
        self._hear(heard)
        if now_ms >= self.script.max_call_ms:
            self._put_down("caller_gave_up")
            return None
        try:
            return next(self._behaviour)
        except StopIteration:
            self._put_down("caller_hung_up")
        except _PutsPhoneDown as end:
            self._put_down(end.why)
        return None

    @property
    def agent_is_speaking(self) -> bool:
        return self._ear.speaking

    def listen_to_carrier(self, now_ms: int, length_ms: int) -> None:
        """The carrier (a <Say>, a human on a second leg) speaks for a while: nothing to bear."""
        self._speaking_to_ms = now_ms + length_ms
        self._answered = True
        self._end_wait(now_ms, counts=False)

    def cleared(self, now_ms: int, dropped_ms: int) -> None:
        """The application threw its speech away: the reaction to a barge-in, if there was one."""
        if self._report.barge_ins and self._report.barge_ins[-1].clear_after_ms is None:
            barge_in = self._report.barge_ins[-1]
            barge_in.clear_after_ms = now_ms - barge_in.at_ms
            barge_in.dropped_ms = dropped_ms

    def stream_lost(self) -> None:
        """What was being heard breaks off here."""
        self._note(self._ear.finish())

    def finish(self) -> None:
        """The call is over, whoever ended it: what was being said and heard ends here."""
        self.stream_lost()
        self._behaviour.close()
        self._end_wait(self._now_ms, counts=False)

    def _put_down(self, why: Literal["caller_hung_up", "caller_gave_up"]) -> None:
        self.hung_up = why
        self.finish()

    def _hear(self, heard: bytes) -> None:
        self._note(self._ear.hear(heard))
        self.hears_other_sound = not self._ear.speaking and bool(heard.strip(_SILENT_CODES))
        is_heard = self._ear.speaking or self.hears_other_sound
        if is_heard or self._now_ms < self._speaking_to_ms:
            self._last_heard_ms = self._now_ms + FRAME_MS

    def _note(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, SpeechStarted):
                self._greeted = True
                self._end_wait(self._call_ms(event.at_ms), counts=True)
                continue
            utterance = event.utterance
            self._report.heard.append(
                Turn(
                    "agent",
                    utterance.text,
                    self._call_ms(utterance.started_ms),
                    self._call_ms(utterance.ended_ms),
                    utterance.complete,
                    utterance.lost_frames,
                    utterance.reordered,
                )
            )
            self._answered = True
            self._last_heard_ms = self._now_ms + FRAME_MS

    def _call_ms(self, ear_ms: int) -> int:
        """The ear counts what it heard; the call counts since the answer."""
        return self._now_ms + FRAME_MS - (self._ear.position_ms - ear_ms)

    def _end_wait(self, now_ms: int, *, counts: bool) -> None:
        if self._asked_ms is None:
            return
        waited_ms = max(0, now_ms - self._asked_ms)
        self._report.longest_silence_ms = max(self._report.longest_silence_ms, waited_ms)
        if counts and self._report.said:
            self._report.answers_ms.append(waited_ms)
        self._asked_ms = None

    # What a caller does, frame by frame.

    def _behave(self) -> Behaviour:
        for step in self.script.steps:
            yield from self._perform(step)
        if self.script.steps:
            yield from self._turn()

    def _perform(self, step: Step) -> Behaviour:
        match step:
            case Speak(text, vanish_after_ms):
                yield from self._turn()
                yield from self._say(text, vanish_after_ms=vanish_after_ms)
            case Interrupt(text, after_ms):
                yield from self._wait_into_speech(after_ms)
                yield from self._say(text)
            case Press(digits, gap_ms):
                yield from self._turn()
                yield from self._press(digits, gap_ms)
            case Listen():
                yield from self._turn()
                self._answered = False
            case Wait(ms):
                yield from self._idle(ms)
            case HangUp():
                raise _PutsPhoneDown("caller_hung_up")

    def _turn(self) -> Behaviour:
        """Until somebody has answered and is quiet; within the bounds of patience."""
        nudges = self.script.nudges
        waiting_since_ms = self._now_ms
        while not self._my_turn():
            silent_since_ms = max(waiting_since_ms, self._last_heard_ms)
            if self._now_ms - silent_since_ms >= self.script.patience_ms:
                if not nudges:
                    raise _PutsPhoneDown("caller_gave_up")
                nudges -= 1
                self._report.nudges += 1
                yield from self._say(self.script.nudge)
                waiting_since_ms = self._now_ms
            yield None

    def _my_turn(self) -> bool:
        quiet_ms = self._now_ms - self._last_heard_ms
        return self._answered and not self._ear.speaking and quiet_ms >= self.script.gap_ms

    def _wait_into_speech(self, after_ms: int) -> Behaviour:
        waiting_since_ms, spoken_ms = self._now_ms, 0
        while spoken_ms < after_ms:
            spoken_ms += FRAME_MS if self._ear.speaking else 0
            finished = self._answered and not self._ear.speaking and spoken_ms > 0
            if finished:
                return
            silent_since_ms = max(waiting_since_ms, self._last_heard_ms)
            if self._now_ms - silent_since_ms >= self.script.patience_ms:
                raise _PutsPhoneDown("caller_gave_up")
            yield None

    def _say(self, text: str, *, vanish_after_ms: int | None = None) -> Behaviour:
        audio = speak(text, chars_per_s=self.script.chars_per_s)
        end = len(audio) if vanish_after_ms is None else vanish_after_ms // FRAME_MS * FRAME_BYTES
        started_ms, interrupting, at = self._now_ms, self._ear.speaking, 0
        self._end_wait(self._now_ms, counts=False)
        if interrupting:
            self._report.barge_ins.append(BargeIn(started_ms))
        try:
            while at < min(len(audio), end):
                at += FRAME_BYTES
                yield audio[at - FRAME_BYTES : at]
        finally:
            said_ms = at // FRAME_BYTES * FRAME_MS
            words = spoken_by(text, said_ms, chars_per_s=self.script.chars_per_s)
            whole = at >= len(audio)
            self._report.said.append(
                Said(words, started_ms, started_ms + said_ms, whole, interrupting)
            )
        if vanish_after_ms is not None:
            raise _PutsPhoneDown("caller_hung_up")
        self._answered = False
        self._asked_ms = self._now_ms

    def _press(self, digits: str, gap_ms: int) -> Behaviour:
        for digit in digits:
            self.keys.append(digit)
            self._report.keys += digit
            yield from self._idle(gap_ms)

    @staticmethod
    def _idle(ms: int) -> Behaviour:
        for _ in range(0, ms, FRAME_MS):
            yield None
