"""How callers behave, frame by frame, with the test as clock and as agent."""

import pytest

from simulators.phone_caller import Caller
from simulators.phone_playout import SILENCE
from simulators.phone_report import CallReport
from simulators.phone_scripts import (
    FACTORIES,
    HangUp,
    Interrupt,
    Listen,
    Press,
    Script,
    Speak,
    Step,
    Wait,
    mixture,
    script_named,
    talk,
)
from simulators.speech import Ear, speak


class Room:
    """A caller, and an agent who answers each line after a while, or never."""

    def __init__(self, script: Script, *answers: str, after_ms: int = 300) -> None:
        self.report = CallReport("CA1", script.name, "+1", "+2")
        self.caller = Caller(script, self.report)
        self.answers = list(answers)
        self.after_ms = after_ms
        self.now_ms = 0
        self.agent_ear = Ear()
        self.keys = ""
        self._queue = self._next_answer()
        self._lines = 0

    def live(self, limit_ms: int = 120_000) -> CallReport:
        """Until the caller hangs up."""
        while not self.caller.hung_up and self.now_ms < limit_ms:
            heard = self._queue.pop(0) if self._queue else SILENCE
            mouth = self.caller.tick(heard, self.now_ms)
            self.agent_ear.hear(mouth or SILENCE)
            while self.caller.keys:
                self.keys += self.caller.keys.popleft()
            if len(self.agent_ear.utterances) > self._lines:
                self._lines = len(self.agent_ear.utterances)
                self._queue = self._next_answer()
            self.now_ms += 20
        return self.report

    def _next_answer(self) -> list[bytes]:
        if not self.answers:
            return []
        audio = speak(self.answers.pop(0))
        frames = [audio[at : at + 160] for at in range(0, len(audio), 160)]
        return [SILENCE] * (self.after_ms // 20) + frames

    @property
    def said(self) -> list[str]:
        return [line.text for line in self.agent_ear.utterances]


def test_a_caller_waits_for_the_answer_before_the_next_line() -> None:
    room = Room(talk(["One.", "Two."]), "Greeting.", "First answer.", "Second answer.")
    report = room.live()
    assert [text for _, _, text in report.transcript] == [
        "Greeting.",
        "One.",
        "First answer.",
        "Two.",
        "Second answer.",
    ]
    assert room.said == ["One.", "Two."]
    assert room.caller.hung_up == "caller_hung_up"
    assert report.answers_ms == [300, 300]
    assert report.longest_silence_ms == 300
    assert all(turn.complete for turn in report.heard)
    gaps = [
        line.started_ms - turn.ended_ms
        for line, turn in zip(report.said, report.heard, strict=False)
    ]
    assert gaps == [400, 400]


def test_a_silent_line_ends_in_a_question_and_then_in_a_report() -> None:
    script = talk(["One."]).but(patience_ms=2000, nudges=1, nudge="Hello?")
    report = Room(script, "Greeting.").live()
    assert [line.text for line in report.said] == ["One.", "Hello?"]
    assert report.nudges == 1
    assert report.longest_silence_ms >= 2000
    assert report.answers_ms == []


@pytest.mark.parametrize("nudges", [0, 1, 3])
def test_nobody_there_at_all(nudges: int) -> None:
    room = Room(talk(["One."]).but(patience_ms=1000, nudges=nudges))
    report = room.live()
    assert room.caller.hung_up == "caller_gave_up"
    assert len(report.said) == nudges
    assert report.heard == []
    assert report.longest_silence_ms >= 1000


def test_an_interruption_comes_that_far_into_the_answer() -> None:
    long = "This answer is long enough for anybody to lose patience with it."
    script = Script("x", (Speak("One."), Interrupt("Stop!", 600)))
    report = Room(script, "Greeting.", long).live()
    answer, stop = report.heard[1], report.said[1]
    assert stop.interrupting
    assert stop.started_ms - answer.started_ms == 600
    assert [barge_in.at_ms for barge_in in report.barge_ins] == [stop.started_ms]


def test_the_reaction_to_an_interruption_is_measured_to_the_clear() -> None:
    long = "This answer is long enough for anybody to lose patience with it."
    room = Room(Script("x", (Interrupt("Stop!", 600),)), long, after_ms=0)
    room.live(700)
    began_ms = room.report.barge_ins[0].at_ms
    room.caller.cleared(began_ms + 137, 900)
    assert room.report.barge_ins[0].clear_after_ms == 137
    assert room.report.barge_ins[0].dropped_ms == 900
    room.caller.cleared(began_ms + 400, 0)
    assert room.report.barge_ins[0].clear_after_ms == 137


def test_a_line_that_goes_dead_is_cut_where_it_was() -> None:
    text = "I would like to book a cleaning on Tuesday."
    room = Room(Script("x", (Speak(text, vanish_after_ms=1000),)), "Greeting.")
    report = room.live()
    assert room.caller.hung_up == "caller_hung_up"
    said = report.said[0]
    assert not said.complete
    assert said.ended_ms - said.started_ms == 1000
    assert text.startswith(said.text)
    assert said.text not in ("", text)


def test_keys_are_pressed_one_after_the_other() -> None:
    room = Room(Script("x", (Press("12#", gap_ms=200), HangUp())), "Press a key.")
    report = room.live()
    assert room.keys == report.keys == "12#"
    assert report.said == []


def test_listening_waits_for_a_whole_answer() -> None:
    room = Room(Script("x", (Listen(), HangUp())), "Greeting.")
    report = room.live()
    assert [turn.text for turn in report.heard] == ["Greeting."]
    assert room.now_ms - 20 == report.heard[0].ended_ms + 400


def test_a_silent_caller_stays_and_says_nothing() -> None:
    room = Room(Script("x", (Wait(3000), HangUp())), "Greeting.")
    report = room.live()
    assert report.said == []
    assert room.now_ms == 3020


def test_no_call_outlives_its_limit() -> None:
    script = Script("x", (Wait(100_000),), max_call_ms=5000)
    room = Room(script, "Greeting.")
    room.live()
    assert room.caller.hung_up == "caller_gave_up"
    assert room.now_ms == 5020


def test_what_is_said_when_the_call_ends_is_in_the_report() -> None:
    room = Room(talk(["A line that is cut by the end of the call."]), "Greeting.")
    room.live(1800)
    room.caller.finish()
    assert len(room.report.said) == 1
    assert not room.report.said[0].complete
    room.caller.finish()
    assert len(room.report.said) == 1


@pytest.mark.parametrize("name", FACTORIES)
@pytest.mark.parametrize("vertical", ["clinic", "real_estate", "salon"])
def test_every_script_comes_to_an_end_with_an_agent_who_answers(name: str, vertical: str) -> None:
    for seed in range(5):
        script = script_named(name, vertical, seed)
        assert script == script_named(name, vertical, seed)
        steps: tuple[Step, ...] = script.steps
        room = Room(script, *["I see. Let me look that up for you right now, please."] * 9)
        room.live()
        assert room.caller.hung_up == "caller_hung_up", (script, steps)


def test_seeds_make_callers_differ() -> None:
    assert len({script_named("polite", "clinic", seed).lines for seed in range(20)}) > 10


def test_a_mixture_has_every_kind_and_every_business() -> None:
    scripts = mixture(12, seed=1)
    assert scripts == mixture(12, seed=1)
    assert {script.name.split("/")[0] for script in scripts} == set(FACTORIES)
    assert {script.name.split("/")[1] for script in scripts} == {"clinic", "real_estate", "salon"}
