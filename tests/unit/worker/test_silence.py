"""Dialogues in which nothing is said: a silent caller, an endless call, marks that never come."""

from typing import Any, Final

import pytest

from callfleet.calls import EndReason
from services.worker import dialogue as told
from services.worker.dialogue import Timer
from services.worker.scene import Stage
from tests.unit.worker.dialogues import GREETING, Talk, hung_up, marks

PATIENT: Final[dict[str, Any]] = {"prompt_after_ms": 10_000, "goodbye_after_ms": 30_000}


def greeted(**manner: object) -> Talk:
    talk = Talk(greeting=GREETING, **manner)  # type: ignore[arg-type] # fields by name
    talk.ready()
    orders = talk.agent_says(GREETING, 400)
    talk.at(400, *(told.Heard(mark) for mark in marks(orders)))
    return talk


@pytest.mark.parametrize("answers_itself", [True, False])
def test_a_silent_caller_is_asked_and_then_left(answers_itself: bool) -> None:
    talk = greeted(**PATIENT, answers_itself=answers_itself, prompt="There?", goodbye="Bye.")
    assert told.Say("There?") in talk.until(Timer.CALLER_DUE)
    assert talk.now_ms == 10_400
    orders = talk.agent_says("There?", 600, turn="r2", item="i2")
    talk.at(11_000, *(told.Heard(mark) for mark in marks(orders)))
    assert told.Say("Bye.") in talk.until(Timer.CALLER_DUE)
    assert talk.now_ms == 30_400, "counted from their last chance to speak"
    orders = talk.agent_says("Bye.", 600, turn="r3", item="i3")
    ended = talk.hear(*(told.Heard(mark) for mark in marks(orders)))
    assert hung_up(ended) is EndReason.CALLER_SILENT


def test_without_words_of_its_own_the_agent_is_advised() -> None:
    talk = greeted(**PATIENT)
    orders = talk.until(Timer.CALLER_DUE)
    assert [type(order) for order in orders[-2:]] == [told.Advise, told.Ask]


@pytest.mark.parametrize(
    "sign", [told.CallerStartedSpeaking("u1"), told.CallerPressed("1")], ids=["voice", "key"]
)
def test_any_sign_of_life_begins_the_wait_anew(sign: told.Event) -> None:
    talk = greeted(**PATIENT)
    talk.at(10_000, sign)
    assert Timer.CALLER_DUE not in talk.timers


def test_silence_does_not_count_while_the_agent_speaks_or_an_answer_is_awaited() -> None:
    talk = greeted(**PATIENT)
    talk.caller_says("Tell me everything.")
    assert Timer.CALLER_DUE not in talk.timers
    orders = talk.agent_says("It is long.", 3_000, turn="r2", item="i2")
    assert Timer.CALLER_DUE not in talk.timers
    talk.at(6_000, *(told.Heard(mark) for mark in marks(orders)))
    assert talk.timers[Timer.CALLER_DUE] == 16_000


def test_a_caller_who_returns_during_the_goodbye_is_listened_to() -> None:
    talk = greeted(goodbye_after_ms=5_000)
    talk.until(Timer.CALLER_DUE)
    talk.agent_says("Goodbye.", 600, turn="r2", item="i2")
    talk.hear(told.CallerStartedSpeaking("u1"))
    assert talk.conversation.stage is Stage.TALKING


def test_a_goodbye_that_is_not_made_ends_the_call_all_the_same() -> None:
    talk = greeted(goodbye_after_ms=5_000)
    talk.until(Timer.CALLER_DUE)
    assert hung_up(talk.until(Timer.GOODBYE_DUE)) is EndReason.CALLER_SILENT


def test_a_call_as_long_as_it_may_be_is_ended_politely() -> None:
    talk = greeted(longest_ms=60_000)
    orders = talk.until(Timer.TIME_UP)
    assert [type(order) for order in orders[-2:]] == [told.Advise, told.Ask]
    said = talk.agent_says("We have to end here. Goodbye.", 600, turn="r2", item="i2")
    assert talk.hear(told.CallerStartedSpeaking("u1")) == [], "whatever the caller says now"
    ended = talk.hear(*(told.Heard(mark) for mark in marks(said)))
    assert hung_up(ended) is EndReason.TIME_LIMIT


def test_what_is_being_said_when_time_is_up_may_be_finished() -> None:
    talk = greeted(longest_ms=60_000)
    talk.at(59_000, told.CallerStartedSpeaking("u1"))
    assert told.Ask() not in talk.until(Timer.TIME_UP)
    talk.hear(told.CallerStoppedSpeaking("u1"), told.CallerTurnEnded("u1"))
    talk.hear(told.CallerWords("u1", "One thing."))
    said = talk.agent_says("Yes.", 400, turn="r2", item="i2")
    orders = talk.hear(*(told.Heard(mark) for mark in marks(said)))
    assert orders[-1] == told.Ask()


def test_a_carrier_without_marks_is_believed_by_the_clock() -> None:
    """Nothing is echoed, ever: turns are written down, interruptions cut where the clock says."""
    talk = Talk()
    talk.ready()
    talk.agent_says("Hello there.", 400)
    talk.until(Timer.HEARD_DUE)
    assert talk.turns() == [("agent", "Hello there.")]
    talk.at(10_000)
    talk.agent_says("We are open on Monday and on Tuesday and so on.", 3_000, turn="r2", item="i2")
    orders = talk.at(12_300, told.CallerStartedSpeaking("u1"))
    assert told.Truncate("i2", 2_000) in orders


def test_a_lost_last_mark_leaves_nobody_speaking_for_ever() -> None:
    talk = Talk(**PATIENT)
    talk.ready()
    talk.agent_says("Hello there.", 400)
    talk.hear(told.Heard("1"))
    talk.until(Timer.HEARD_DUE)
    assert Timer.CALLER_DUE in talk.timers


def test_several_quick_interruptions_each_forget_what_was_not_heard() -> None:
    talk = greeted()
    for number in range(4):
        talk.agent_says("An answer.", 600, turn=f"q{number}", item=f"j{number}", done=False)
        orders = talk.hear(told.CallerStartedSpeaking(f"u{number}"))
        assert told.StopPlayback() in orders
        assert told.Truncate(f"j{number}", 0) in orders
        talk.hear(talk.done(f"q{number}", told.Outcome.CANCELLED))
        talk.hear(told.CallerStoppedSpeaking(f"u{number}"), told.CallerTurnEnded(f"u{number}"))
        talk.hear(told.CallerWords(f"u{number}", "Wait."))
    assert talk.turns()[1:] == [("caller", "Wait.")] * 4


def test_a_greeting_that_must_be_heard_is_not_stopped_and_what_was_said_is_heard_after() -> None:
    talk = Talk(greeting=GREETING, greeting_interruptible=False)
    assert told.Hear() not in talk.hear(told.SessionReady()), "so the session cannot stop it either"
    said = talk.agent_says(GREETING, 2_000, done=False)
    orders = talk.hear(talk.done())
    assert told.Hear() in orders
    assert talk.hear(told.CallerStartedSpeaking("u1")) == []
    talk.at(2_000, *(told.Heard(mark) for mark in marks(said + orders)))
    assert talk.turns() == [("agent", GREETING)]
    talk.hear(told.CallerStoppedSpeaking("u1"), told.CallerTurnEnded("u1"))
    talk.agent_says("Yes?", 400, turn="r2", item="i2")
    assert told.StopPlayback() in talk.hear(told.CallerStartedSpeaking("u2"))
