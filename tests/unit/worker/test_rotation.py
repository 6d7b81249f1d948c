"""Dialogues of a session's old age: changed between two turns, or shortly before its end."""

from services.worker import dialogue as told
from services.worker.dialogue import Command, Failure, Timer
from tests.unit.worker.dialogues import GREETING, Talk, marks

LIFETIME_MS = 3_600_000
DUE_MS = LIFETIME_MS - 300_000


def switched(orders: list[Command]) -> bool:
    return told.SwitchSession() in orders


def an_hour_in(**manner: object) -> Talk:
    """Greeted and heard; the spare session has just come to be."""
    talk = Talk(greeting=GREETING, **manner)  # type: ignore[arg-type] # fields by name
    talk.ready(LIFETIME_MS)
    orders = talk.agent_says(GREETING, 400)
    talk.at(600, *(told.Heard(mark) for mark in marks(orders)))
    assert talk.until(Timer.ROTATE_DUE) == [told.OpenSession(spare=True)]
    assert talk.now_ms == DUE_MS
    return talk


def test_at_a_quiet_moment_the_spare_is_switched_to_and_told_everything() -> None:
    talk = an_hour_in()
    talk.hear(told.SpareReady(LIFETIME_MS))
    assert talk.timers[Timer.QUIET_DUE] == DUE_MS + 1_500
    assert talk.wait() == [
        told.SwitchSession(),
        told.Remember((told.Said("agent", GREETING),)),
        told.Hear(1_000),
    ]
    assert talk.timers[Timer.ROTATE_DUE] == DUE_MS + LIFETIME_MS - 300_000, "its age began before"


def test_while_anybody_speaks_it_waits() -> None:
    talk = an_hour_in()
    talk.hear(told.CallerStartedSpeaking("u1"), told.SpareReady(LIFETIME_MS))
    assert Timer.QUIET_DUE not in talk.timers
    talk.hear(told.CallerStoppedSpeaking("u1"), told.CallerTurnEnded("u1"))
    talk.hear(told.CallerWords("u1", "Hello?"))
    orders = talk.agent_says("Yes.", 400, turn="r2", item="i2")
    assert Timer.QUIET_DUE not in talk.timers
    talk.hear(told.Heard(marks(orders)[-1]))
    assert switched(talk.until(Timer.QUIET_DUE))


def test_words_that_are_still_being_written_down_are_waited_for() -> None:
    talk = an_hour_in()
    talk.caller_says(None)
    orders = talk.agent_says("Yes.", 400, turn="r2", item="i2")
    talk.hear(told.SpareReady(LIFETIME_MS), told.Heard(marks(orders)[-1]))
    assert not switched(talk.until(Timer.QUIET_DUE))
    talk.hear(told.CallerWords("u1", "Hello?"))
    assert switched(talk.until(Timer.QUIET_DUE))


def test_when_the_margin_is_over_it_is_switched_to_in_mid_sentence() -> None:
    talk = an_hour_in()
    talk.at(LIFETIME_MS - 12_000, told.SpareReady(LIFETIME_MS), told.CallerStartedSpeaking("u1"))
    orders = talk.until(Timer.ROTATE_BY)
    assert talk.now_ms == LIFETIME_MS - 10_000
    assert switched(orders)
    assert told.Hear(again=True) in orders, "the new session hears the sentence from its beginning"


def test_a_spare_that_fails_is_tried_again_and_harms_nothing() -> None:
    talk = an_hour_in()
    assert talk.hear(told.SpareFailed(Failure.LOST)) == []
    assert told.OpenSession(spare=True) in talk.until(Timer.ROTATE_DUE)


def test_a_session_lost_while_the_spare_stands_by_costs_no_wait() -> None:
    talk = an_hour_in()
    talk.hear(told.CallerStartedSpeaking("u1"), told.SpareReady(LIFETIME_MS))
    orders = talk.hear(told.SessionFailed(Failure.LOST))
    assert switched(orders)
    assert not any(isinstance(order, told.OpenSession) for order in orders)


def test_an_agent_may_want_it_sooner() -> None:
    talk = Talk(rotate_after_ms=60_000)
    talk.ready(LIFETIME_MS)
    assert talk.timers[Timer.ROTATE_DUE] == 60_000


def test_a_session_without_a_known_end_is_kept() -> None:
    talk = Talk()
    talk.ready(None)
    assert Timer.ROTATE_DUE not in talk.timers
