"""Dialogues of trouble: sessions that are lost and replaced, answers that are put off."""

from typing import TypeVar

import pytest

from callfleet.calls import EndReason
from callfleet.journal_entries import Note, Turn
from services.worker import dialogue as told
from services.worker.dialogue import Command, Failure, Outcome, Timer
from services.worker.scene import Stage
from tests.unit.worker.dialogues import APOLOGY, FILLER, GREETING, Talk, hung_up, marks, played

LOST = told.SessionFailed(Failure.LOST)


def opened(orders: list[Command]) -> list[int]:
    return [order.after_ms for order in orders if isinstance(order, told.OpenSession)]


K = TypeVar("K")


def of(kind: type[K], orders: list[Command]) -> list[K]:
    return [order for order in orders if isinstance(order, kind)]


def in_talk(**manner: object) -> Talk:
    """Greeted, and the greeting was heard."""
    talk = Talk(greeting=GREETING, **manner)  # type: ignore[arg-type] # fields by name
    talk.ready()
    talk.at(100)
    orders = talk.agent_says(GREETING, 400)
    talk.at(600, *(told.Heard(mark) for mark in marks(orders)))
    return talk


@pytest.mark.parametrize("failure", [Failure.LOST, Failure.EXPIRED])
def test_a_lost_session_is_replaced_and_told_what_was_said(failure: Failure) -> None:
    talk = in_talk()
    talk.caller_says("My name is Dana.")
    orders = talk.agent_says("Hello Dana.", 200, turn="r2", item="i2")
    talk.hear(told.Heard(marks(orders)[-1]))
    assert opened(talk.at(5_000, told.SessionFailed(failure))) == [200]
    assert talk.hear(told.SessionReady()) == [
        told.Remember(
            (
                told.Said("agent", GREETING),
                told.Said("caller", "My name is Dana."),
                told.Said("agent", "Hello Dana."),
            )
        ),
        told.Hear(),
    ], "nothing was owed, so nothing is asked for"


def test_each_try_waits_longer_and_the_sixth_is_none() -> None:
    talk = Talk(greeting=GREETING)
    waits = []
    for _ in range(5):
        waits += opened(talk.hear(LOST))
    assert waits == [200, 500, 1000, 2000, 4000]
    orders = talk.hear(LOST)
    assert played(orders) == APOLOGY
    assert hung_up(talk.hear(told.Heard(marks(orders)[-1]))) is EndReason.SESSION_LOST


def test_a_session_that_does_not_come_is_not_waited_for_for_ever() -> None:
    talk = in_talk()
    talk.hear(LOST)
    orders = talk.until(Timer.RECOVERY_DUE)
    assert played(orders) == APOLOGY
    assert talk.now_ms == 600 + 20_000


def test_a_fatal_reason_is_never_tried_again() -> None:
    talk = in_talk()
    orders = talk.hear(told.SessionFailed(Failure.REFUSED))
    assert opened(orders) == []
    assert played(orders) == APOLOGY


def test_a_question_that_went_down_unwritten_is_heard_again() -> None:
    talk = in_talk()
    talk.at(1_000)
    talk.caller_says(None)
    talk.hear(told.AgentTurnStarted("r2"), told.AgentWords("i2", "We are"))
    talk.hear(told.AgentAudio("i2", b"\x01" * 3200))
    talk.hear(LOST)
    orders = talk.at(2_500, told.SessionReady())
    assert orders == [
        told.Remember((told.Said("agent", GREETING), told.Said("agent", "We are"))),
        told.Hear(again=True),
    ]
    assert Timer.ANSWER_DUE in talk.timers, "and should it not be heard, it is asked for"


def test_a_question_whose_words_are_known_is_answered_from_them() -> None:
    talk = in_talk()
    talk.caller_says("When are you open?")
    talk.hear(told.AgentTurnStarted("r2"), LOST)
    orders = talk.hear(told.SessionReady())
    assert told.Hear() in orders
    assert orders[-1] == told.Ask()


def test_an_answer_cut_short_is_gone_on_with_and_kept_as_it_was_heard() -> None:
    talk = in_talk()
    talk.caller_says("When are you open?")
    said = talk.hear(
        told.AgentTurnStarted("r2"),
        told.AgentWords("i2", "We are open from Monday to Friday, from nine to five."),
        told.AgentAudio("i2", b"\x01" * 8000),
    )
    said += talk.hear(LOST)
    orders = talk.hear(told.SessionReady())
    assert [type(order) for order in orders[-2:]] == [told.Advise, told.Ask]
    assert "without repeating" in of(told.Advise, orders)[0].text
    talk.hear(*(told.Heard(mark) for mark in marks(said)))
    turn = next(entry for entry in reversed(talk.journal) if isinstance(entry, Turn))
    assert turn.interrupted
    assert turn.heard_ms == 1000
    assert turn.text == "We are open from Monday", "words that no sound can have held are left out"


def test_a_greeting_nobody_heard_is_said_by_the_next_session() -> None:
    talk = Talk(greeting=GREETING)
    talk.ready()
    talk.hear(LOST)
    assert talk.hear(told.SessionReady())[-1] == told.Say(GREETING)


def test_a_lost_caller_in_mid_sentence_is_heard_from_its_beginning() -> None:
    talk = in_talk()
    talk.at(1_000, told.CallerStartedSpeaking("u1"))
    talk.at(2_000, LOST)
    orders = talk.at(2_400, told.SessionReady())
    assert told.Hear(again=True) in orders
    assert not of(told.Ask, orders)
    talk.hear(told.CallerStartedSpeaking("u9"))
    talk.at(4_000, told.CallerStoppedSpeaking("u9"), told.CallerTurnEnded("u9"))
    talk.hear(told.CallerWords("u9", "All of it."))
    assert talk.turns()[-1] == ("caller", "All of it.")
    assert len(talk.turns()) == 2, "said once, written once"


def test_what_is_too_long_ago_to_be_heard_again_is_asked_for() -> None:
    talk = in_talk()
    talk.at(1_000, told.CallerStartedSpeaking("u1"))
    talk.at(30_000, LOST)
    orders = talk.hear(told.SessionReady())
    assert told.Hear() in orders
    assert [type(order) for order in orders[-2:]] == [told.Advise, told.Ask]


def test_a_caller_who_waits_hears_a_recorded_word_once_in_a_while() -> None:
    talk = in_talk(fills=True)
    talk.at(1_000, LOST)
    assert talk.timers[Timer.FILLER_DUE] == 2_500
    orders = talk.wait()
    assert played(orders) == FILLER
    assert told.Record(Note("filler", 2_500)) in orders
    talk.hear(told.Heard(marks(orders)[-1]))
    assert talk.timers[Timer.FILLER_DUE] == 10_500


def test_an_interrupted_recording_is_not_truncated_at_a_session_that_never_had_it() -> None:
    talk = in_talk(fills=True)
    talk.caller_says("Hello?")
    talk.hear(
        told.AgentTurnStarted("r2"), told.AgentTurnDone("r2", Outcome.LIMITED, again_after_ms=9000)
    )
    assert played(talk.until(Timer.FILLER_DUE)) == FILLER
    orders = talk.hear(told.CallerStartedSpeaking("u2"))
    assert told.StopPlayback() in orders
    assert not of(told.Truncate, orders)


def test_what_an_old_session_said_is_not_truncated_at_the_new_one() -> None:
    talk = in_talk()
    talk.agent_says("A long sentence that goes on.", 2000, turn="r2", item="i2")
    talk.hear(LOST)
    talk.hear(told.SessionReady())
    orders = talk.hear(told.CallerStartedSpeaking("u1"))
    assert told.StopPlayback() in orders
    assert not of(told.Truncate, orders)


def test_keys_pressed_meanwhile_are_remembered_and_answered() -> None:
    talk = in_talk()
    talk.hear(LOST)
    talk.hear(told.CallerPressed("4"), told.CallerPressed("#"))
    orders = talk.hear(told.SessionReady())
    (remember,) = of(told.Remember, orders)
    assert told.Told("The caller pressed these telephone keys: 4 #") in remember.past
    assert orders[-1] == told.Ask()


def test_tools_are_remembered_with_what_they_answered() -> None:
    talk = in_talk()
    talk.hear(told.AgentTurnStarted("r2"), told.ToolAsked("t1", "fly", '{"to": "Rome"}'), LOST)
    (remember,) = of(told.Remember, talk.hear(told.SessionReady()))
    used = remember.past[-1]
    assert isinstance(used, told.ToolUsed)
    assert (used.request, used.tool, used.arguments) == ("t1", "fly", '{"to": "Rome"}')
    assert "no such tool" in str(used.output)


def test_an_answer_that_came_forgives_the_losses_before_it() -> None:
    talk = in_talk()
    for number in range(8):
        assert opened(talk.hear(LOST)) == [200]
        talk.hear(told.SessionReady())
        talk.caller_says("Hello?", turn=f"u{number}")
        talk.agent_says("Yes.", 100, turn=f"q{number}", item=f"j{number}")
    assert talk.conversation.stage is Stage.TALKING


def test_a_session_that_answers_nothing_twice_is_replaced() -> None:
    talk = in_talk()
    talk.caller_says("Hello?")
    assert opened(talk.until(Timer.ANSWER_DUE)) == []
    assert told.Ask() in talk.until(Timer.ASK_AGAIN)
    assert opened(talk.until(Timer.ANSWER_DUE)) == [200]


@pytest.mark.parametrize("hint_ms", [320, 6_232])
def test_a_rate_limit_is_waited_out_with_a_recorded_word(hint_ms: int) -> None:
    talk = in_talk(fills=True)
    talk.caller_says("Hello?")
    before = talk.now_ms
    talk.hear(
        told.AgentTurnStarted("r2"),
        told.AgentTurnDone("r2", Outcome.LIMITED, again_after_ms=hint_ms),
    )
    orders = talk.until(Timer.ASK_AGAIN)
    assert talk.now_ms == before + hint_ms
    assert orders[-1] == told.Ask()
    assert (played(orders) == FILLER) is (hint_ms > 1_500)


def test_a_rate_limit_longer_than_a_caller_waits_ends_in_an_apology_at_once() -> None:
    talk = in_talk()
    talk.caller_says("Hello?")
    talk.hear(told.AgentTurnStarted("r2"))
    orders = talk.hear(told.AgentTurnDone("r2", Outcome.LIMITED, again_after_ms=86_400))
    assert played(orders) == APOLOGY
    assert hung_up(talk.hear(told.Heard(marks(orders)[-1]))) is EndReason.SESSION_REFUSED


def test_rate_limits_are_borne_so_often_and_so_long() -> None:
    talk = in_talk()
    talk.caller_says("Hello?")
    for number in range(5):
        talk.hear(told.AgentTurnStarted(f"f{number}"))
        talk.hear(told.AgentTurnDone(f"f{number}", Outcome.LIMITED, again_after_ms=1_000))
        assert told.Ask() in talk.until(Timer.ASK_AGAIN)
    talk.hear(told.AgentTurnStarted("last"))
    assert (
        played(talk.hear(told.AgentTurnDone("last", Outcome.LIMITED, again_after_ms=1_000)))
        == APOLOGY
    )


def test_an_answer_that_was_too_long_is_gone_on_with_once() -> None:
    talk = in_talk()
    talk.caller_says("Tell me everything.")
    talk.agent_says("It began", 200, turn="r2", item="i2", done=False)
    assert told.Ask() in talk.hear(talk.done("r2", Outcome.INCOMPLETE))
    talk.agent_says("and went on", 200, turn="r3", item="i3", done=False)
    assert told.Ask() not in talk.hear(talk.done("r3", Outcome.INCOMPLETE))
    assert talk.conversation.stage is Stage.TALKING


def test_a_filtered_answer_is_not_asked_for_again_but_talked_around() -> None:
    talk = in_talk()
    talk.caller_says("Something unspeakable.")
    talk.hear(told.AgentTurnStarted("r2"))
    orders = talk.hear(talk.done("r2", Outcome.FILTERED))
    assert [type(order) for order in orders[-2:]] == [told.Advise, told.Ask]
    for number in range(3):
        talk.hear(told.AgentTurnStarted(f"f{number}"))
        orders = talk.hear(talk.done(f"f{number}", Outcome.FILTERED))
    assert not of(told.Ask, orders), "it ends"
