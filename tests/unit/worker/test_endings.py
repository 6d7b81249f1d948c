"""Dialogues of trouble and of the end: asking again, goodbye, apology, last words."""

import pytest

from callfleet.calls import EndReason
from callfleet.journal_entries import Note, Turn, Usage
from services.worker import dialogue as told
from services.worker.dialogue import Failure, Outcome, Timer
from services.worker.scene import Stage
from tests.unit.worker.dialogues import APOLOGY, GREETING, Talk, hung_up, marks, played, sound


def fail(turn: str, again_after_ms: int | None = None) -> told.AgentTurnDone:
    return told.AgentTurnDone(turn, Outcome.FAILED, again_after_ms=again_after_ms)


def test_a_rate_limited_answer_is_asked_for_again_after_the_hint() -> None:
    talk = Talk()
    talk.ready()
    talk.caller_says("Hello?")
    talk.hear(told.AgentTurnStarted("r1"), fail("r1", again_after_ms=3200))
    before = talk.now_ms
    assert talk.timers == {Timer.ASK_AGAIN: before + 3200}
    assert talk.wait() == [told.Ask()]


def test_a_greeting_that_failed_is_said_again_word_for_word() -> None:
    talk = Talk(greeting=GREETING)
    talk.ready()
    talk.hear(told.AgentTurnStarted("r1"), fail("r1"))
    assert talk.wait() == [told.Say(GREETING)]


def test_three_more_tries_then_an_apology() -> None:
    talk = Talk()
    talk.ready()
    talk.caller_says("Hello?")
    waits = []
    for number in range(3):
        talk.hear(told.AgentTurnStarted(f"r{number}"), fail(f"r{number}"))
        waits.append(talk.timers[Timer.ASK_AGAIN] - talk.now_ms)
        assert talk.wait() == [told.Ask()]
    assert waits == [500, 1000, 2000]
    orders = talk.hear(told.AgentTurnStarted("r9"), fail("r9"))
    assert played(orders) == APOLOGY
    assert hung_up(talk.hear(told.Heard(marks(orders)[-1]))) is EndReason.SESSION_LOST


def test_an_empty_answer_is_silence_too() -> None:
    talk = Talk()
    talk.ready()
    talk.caller_says("Hello?")
    talk.hear(told.AgentTurnStarted("r1"), talk.done("r1"))
    assert talk.wait() == [told.Ask()]


def test_an_answer_that_came_ends_the_counting() -> None:
    talk = Talk()
    talk.ready()
    for number in range(6):
        talk.hear(told.AgentTurnStarted(f"f{number}"), fail(f"f{number}"))
        talk.wait()
        talk.agent_says("Yes.", 200, turn=f"r{number}", item=f"i{number}")
    assert talk.conversation.stage is Stage.TALKING


def test_an_answer_that_never_begins_is_asked_for() -> None:
    talk = Talk()
    talk.ready()
    talk.caller_says("Hello?")
    assert talk.wait() == []  # it is overdue: the wait before asking again begins
    assert talk.wait() == [told.Ask()]


def test_an_answer_that_hangs_is_cancelled_and_asked_for_anew() -> None:
    talk = Talk(greeting=GREETING)
    talk.ready()
    talk.hear(told.AgentTurnStarted("r1"))
    assert talk.wait() == [told.Cancel("r1")]
    assert talk.hear(talk.done("r1", Outcome.CANCELLED)) == [told.Say(GREETING)]


def test_a_session_that_answers_nothing_at_all_is_apologised_for() -> None:
    talk = Talk(greeting=GREETING)
    talk.ready()
    orders = []
    for _ in range(20):
        orders = talk.wait()
        if played(orders):
            break
    assert played(orders) == APOLOGY
    assert talk.now_ms < 60_000


def test_a_refused_ask_waits_for_the_answer_under_way() -> None:
    talk = Talk()
    talk.ready()
    talk.hear(told.CallerPressed("#"))
    talk.hear(told.AgentTurnStarted("r1"), told.AgentAudio("i1", sound(100)))
    talk.hear(told.AskRefused(busy=True))
    assert told.Ask() in talk.hear(talk.done("r1"))


def test_the_callers_new_turn_replaces_the_retry() -> None:
    talk = Talk()
    talk.ready()
    talk.hear(told.AgentTurnStarted("r1"), fail("r1", again_after_ms=5000))
    talk.caller_says("Are you there?")
    talk.hear(told.AgentTurnStarted("r2"))
    assert Timer.ASK_AGAIN not in talk.timers


def test_goodbye_is_heard_before_the_agent_hangs_up() -> None:
    talk = Talk()
    talk.ready()
    talk.hear(
        told.AgentTurnStarted("r1"),
        told.AgentWords("i1", "Goodbye!"),
        told.AgentAudio("i1", sound(400)),
        told.AgentAudioEnded("i1"),
        told.ToolAsked("call1", "end_call", "{}"),
    )
    assert hung_up(talk.hear(talk.done())) is None
    assert hung_up(talk.hear(told.Heard("1"))) is None
    orders = talk.hear(told.Heard("2"))
    assert hung_up(orders) is EndReason.AGENT_HUNG_UP
    assert talk.turns() == [("agent", "Goodbye!")]


def test_without_marks_the_agent_leaves_all_the_same() -> None:
    talk = Talk()
    talk.ready()
    talk.hear(told.AgentTurnStarted("r1"), told.AgentAudio("i1", sound(400)))
    talk.hear(told.ToolAsked("call1", "end_call", "{}"), talk.done())
    assert talk.timers[Timer.GOODBYE_DUE] == 400 + 3000
    assert hung_up(talk.wait()) is EndReason.AGENT_HUNG_UP


def test_an_agent_that_leaves_without_a_word_is_told_to_say_goodbye() -> None:
    talk = Talk()
    talk.ready()
    talk.hear(told.AgentTurnStarted("r1"), told.ToolAsked("call1", "end_call", "{}"))
    orders = talk.hear(talk.done())
    assert isinstance(orders[0], told.Answer)
    assert orders[1] == told.Ask()
    talk.agent_says("Goodbye.", 200, turn="r2", item="i2")
    assert hung_up(talk.hear(told.Heard("1"))) is EndReason.AGENT_HUNG_UP


def test_a_caller_who_goes_on_speaking_keeps_the_agent() -> None:
    talk = Talk()
    talk.ready()
    talk.hear(told.AgentTurnStarted("r1"), told.AgentAudio("i1", sound(400)))
    talk.hear(told.ToolAsked("call1", "end_call", "{}"), talk.done())
    orders = talk.hear(told.CallerStartedSpeaking("u1"))
    assert [type(order) for order in orders] == [
        told.StopPlayback,
        told.Truncate,
        told.Interrupted,
        told.Answer,
    ]
    assert Timer.GOODBYE_DUE not in talk.timers
    talk.hear(told.CallerStoppedSpeaking("u1"), told.CallerTurnEnded("u1"))
    talk.hear(told.CallerWords("u1", "One more thing."))
    talk.agent_says("Of course.", 200, turn="r2", item="i2")
    talk.hear(told.Heard("3"))
    assert talk.turns() == [("caller", "One more thing."), ("agent", "Of course.")]
    assert talk.conversation.stage is Stage.TALKING


def test_an_unknown_tool_is_answered_once_and_the_agent_goes_on() -> None:
    talk = Talk()
    talk.ready()
    orders = talk.hear(told.AgentTurnStarted("r1"), told.ToolAsked("call1", "fly", "{}"))
    assert [order.request for order in orders if isinstance(order, told.Answer)] == ["call1"]
    assert talk.hear(talk.done()) == [told.Ask()]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Failure.REFUSED, EndReason.SESSION_REFUSED),
        (Failure.MISCONFIGURED, EndReason.SESSION_REFUSED),
        (Failure.BUSY, EndReason.SESSION_REFUSED),
    ],
)
def test_a_session_that_is_refused_is_apologised_for(failure: Failure, reason: EndReason) -> None:
    talk = Talk(greeting=GREETING)
    orders = talk.hear(told.SessionFailed(failure))
    assert orders[0] == told.Record(Note("apology", 0, {"failure": failure.value}))
    assert played(orders) == APOLOGY
    assert hung_up(talk.hear(told.Heard(marks(orders)[-1]))) is reason


def test_the_apology_follows_what_is_still_heard() -> None:
    talk = Talk()
    talk.ready()
    talk.agent_says("Let me see", 500, done=False)
    talk.hear(told.Heard("2"))
    orders = talk.hear(told.SessionFailed(Failure.REFUSED))
    assert told.StopPlayback() not in orders
    assert talk.timers[Timer.GOODBYE_DUE] == 100 + 200 + 3000
    orders = talk.hear(*(told.Heard(mark) for mark in marks(orders)))
    assert hung_up(orders) is EndReason.SESSION_REFUSED
    assert talk.turns() == [("agent", "Let me see")]


def test_a_session_lost_after_the_goodbye_is_nobodys_loss() -> None:
    talk = Talk()
    talk.ready()
    talk.hear(told.AgentTurnStarted("r1"), told.AgentAudio("i1", sound(200)))
    talk.hear(told.ToolAsked("call1", "end_call", "{}"), talk.done())
    assert talk.hear(told.SessionFailed(Failure.LOST)) == []
    assert hung_up(talk.hear(told.Heard("1"))) is EndReason.AGENT_HUNG_UP


def test_last_words_are_waited_for() -> None:
    talk = Talk()
    talk.ready()
    talk.caller_says(None)
    assert talk.hear(told.CallerHungUp()) == []
    orders = talk.hear(told.CallerWords("u1", "Call me back on Monday."))
    assert hung_up(orders) is EndReason.CALLER_HUNG_UP
    assert talk.turns() == [("caller", "Call me back on Monday.")]


def test_who_hangs_up_in_mid_sentence_is_written_down_too() -> None:
    talk = Talk()
    talk.ready()
    talk.hear(told.CallerStartedSpeaking("u1"))
    assert talk.at(900, told.CallerHungUp()) == [told.EndCallerTurn()]
    talk.at(950, told.CallerTurnEnded("u1"))
    orders = talk.at(1000, told.CallerWords("u1", "I only wanted"))
    assert hung_up(orders) is EndReason.CALLER_HUNG_UP
    assert talk.turns() == [("caller", "I only wanted")]


def test_last_words_are_not_waited_for_for_ever() -> None:
    talk = Talk()
    talk.ready()
    talk.caller_says(None)
    talk.hear(told.CallerHungUp(EndReason.LEG_LOST))
    due = talk.timers[Timer.GOODBYE_DUE]
    assert due == talk.now_ms + 2000
    orders = talk.at(due, told.TimerFired(Timer.GOODBYE_DUE))
    assert hung_up(orders) is EndReason.LEG_LOST
    assert talk.turns() == [("caller", "")]


def test_who_hangs_up_while_the_agent_talks_heard_only_so_much() -> None:
    talk = Talk()
    talk.ready()
    talk.agent_says("We are open on Monday and on Tuesday.", 1000, done=False)
    talk.hear(told.Heard("2"))
    orders = talk.at(500, told.CallerHungUp())
    assert orders == [
        told.Cancel("r1"),
        told.Record(
            Turn("agent", "We are open on", 0, 500, interrupted=True, heard_ms=400, item_id="i1")
        ),
    ]
    spent = Usage(responses=1, output_audio_tokens=20)  # the broken-off answer is billed too
    orders = talk.at(530, told.AgentTurnDone("r1", Outcome.CANCELLED, spent))
    assert hung_up(orders) is EndReason.CALLER_HUNG_UP
    assert talk.conversation.purse.usage == spent


def test_a_worker_that_must_leave_leaves_at_once() -> None:
    talk = Talk()
    talk.ready()
    talk.agent_says("Hello.", 400)
    assert hung_up(talk.hear(told.MustLeave())) is EndReason.DRAINED
