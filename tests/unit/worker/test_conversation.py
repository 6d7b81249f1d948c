"""Dialogues with the policy of a call: this happened, so that is to be done."""

from callfleet.calls import EndReason
from callfleet.journal_entries import Note, Turn, Usage
from services.worker import dialogue as told
from services.worker.dialogue import Outcome, Timer
from services.worker.scene import Stage
from tests.unit.worker.dialogues import GREETING, Talk, hung_up, marks, played, sound


def test_the_greeting_comes_first_and_through_the_session() -> None:
    talk = Talk(greeting=GREETING)
    assert talk.ready() == [told.Say(GREETING)]


def test_without_a_greeting_the_caller_speaks_first() -> None:
    talk = Talk()
    assert talk.ready() == []


def test_sound_is_passed_on_whole_with_a_mark_every_200_ms_and_one_at_the_end() -> None:
    talk = Talk()
    talk.ready()
    orders = talk.agent_says("Hello there.", 500)
    assert orders == [
        told.Play(sound(200)),
        told.PlaceMark("1"),
        told.Play(sound(200)),
        told.PlaceMark("2"),
        told.Play(sound(100)),
        told.PlaceMark("3"),
    ]


def test_a_turn_is_written_down_when_it_was_heard() -> None:
    talk = Talk()
    talk.ready()
    talk.at(100)
    talk.agent_says("Hello there.", 400)
    assert talk.at(350, told.Heard("1")) == []
    assert talk.at(550, told.Heard("2")) == [
        told.Record(Turn("agent", "Hello there.", 100, 550, item_id="i1"))
    ]


def test_a_lost_mark_is_covered_by_the_next() -> None:
    talk = Talk()
    talk.ready()
    talk.agent_says("Hello there.", 400)
    assert talk.hear(told.Heard("2")) != []
    assert talk.hear(told.Heard("1")) == []


def test_barge_in_clears_truncates_and_keeps_what_was_heard() -> None:
    talk = Talk()
    talk.ready()
    talk.agent_says("We are open on Monday and on Tuesday.", 1000, done=False)
    talk.at(420, told.Heard("1"), told.Heard("2"))
    orders = talk.at(450, told.CallerStartedSpeaking("u1", ago_ms=50))
    assert orders == [
        told.StopPlayback(),
        told.Truncate("i1", 400),
        told.Interrupted(),
        told.Record(
            Turn("agent", "We are open on", 0, 450, interrupted=True, heard_ms=400, item_id="i1")
        ),
    ]


def test_what_still_comes_of_a_broken_turn_is_dropped() -> None:
    talk = Talk()
    talk.ready()
    talk.agent_says("A long answer.", 1000, done=False)
    talk.hear(told.CallerStartedSpeaking("u1"))
    late = talk.hear(
        told.AgentAudio("i1", sound(100)),
        told.AgentWords("i1", " And more."),
        told.AgentAudioEnded("i1"),
        told.AgentSaid("i1", "A long answer. And more."),
        talk.done(outcome=Outcome.CANCELLED),
    )
    assert late == []


def test_marks_echoed_by_the_clear_prove_nothing() -> None:
    talk = Talk()
    talk.ready()
    orders = talk.agent_says("A long answer.", 600)
    talk.hear(told.CallerStartedSpeaking("u1"))
    for mark in marks(orders):
        assert talk.hear(told.Heard(mark)) == []
    talk.hear(told.CallerStoppedSpeaking("u1"), told.CallerTurnEnded("u1"))
    next_marks = marks(talk.agent_says("Short.", 200, turn="r2", item="i2"))
    assert set(next_marks).isdisjoint(marks(orders))
    assert talk.hear(told.Heard(marks(orders)[-1])) == []


def test_speech_over_nothing_interrupts_nothing() -> None:
    talk = Talk()
    talk.ready()
    talk.agent_says("Hi.", 200)
    talk.hear(told.Heard("1"))
    assert talk.hear(told.CallerStartedSpeaking("u1")) == []


def test_an_answer_is_forgotten_whole_when_nothing_of_it_was_heard() -> None:
    talk = Talk()
    talk.ready()
    talk.agent_says("Nobody hears this.", 300)
    orders = talk.hear(told.CallerStartedSpeaking("u1"))
    assert orders == [told.StopPlayback(), told.Truncate("i1", 0), told.Interrupted()]
    assert talk.turns() == []


def test_an_agent_that_may_not_be_interrupted_talks_on() -> None:
    talk = Talk(interruptible=False)
    talk.ready()
    talk.agent_says("Please listen to this notice.", 1000, done=False)
    assert talk.hear(told.CallerStartedSpeaking("u1")) == []
    assert played(talk.hear(told.AgentAudio("i1", sound(200)))) == sound(200)


def test_a_greeting_that_comes_while_the_caller_speaks_is_not_said() -> None:
    talk = Talk(greeting=GREETING)
    talk.ready()
    talk.hear(told.CallerStartedSpeaking("u1"))
    assert talk.hear(told.AgentTurnStarted("r1")) == [told.Cancel("r1")]
    assert talk.hear(told.AgentAudio("i1", sound(200))) == []


def test_late_words_land_before_the_answer_to_them() -> None:
    talk = Talk()
    talk.ready()
    talk.caller_says(None)
    talk.agent_says("At three.", 200)
    assert talk.hear(told.Heard("1")) == []
    talk.hear(told.CallerWords("u1", "When?"))
    assert talk.turns() == [("caller", "When?"), ("agent", "At three.")]


def test_words_are_waited_for_a_bounded_time_and_keep_their_place_in_time() -> None:
    talk = Talk()
    talk.ready()
    talk.caller_says(None)
    talk.agent_says("At three.", 200)
    talk.hear(told.Heard("1"))
    assert Timer.WORDS_DUE in talk.timers
    talk.wait()
    assert talk.turns() == [("agent", "At three.")]
    talk.hear(told.CallerWords("u1", "When?"))
    by_time = sorted((t for t in talk.journal if isinstance(t, Turn)), key=lambda t: t.started_ms)
    assert [turn.text for turn in by_time] == ["When?", "At three."]


def test_a_cough_is_no_turn_but_words_that_were_lost_are() -> None:
    talk = Talk()
    talk.ready()
    talk.caller_says("", turn="u1")
    assert talk.turns() == []
    talk.caller_says(None, turn="u2")
    talk.hear(told.CallerWords("u2", None))
    assert talk.turns() == [("caller", "")]


def test_without_transcription_a_turn_is_kept_without_words() -> None:
    talk = Talk(transcribed=False)
    talk.ready()
    talk.caller_says(None)
    assert talk.turns() == [("caller", "")]


def test_the_time_to_answer_is_measured_from_the_real_end_of_speech() -> None:
    talk = Talk()
    talk.ready()
    talk.at(1000, told.CallerStartedSpeaking("u1"))
    talk.at(2600, told.CallerStoppedSpeaking("u1", ago_ms=600), told.CallerTurnEnded("u1"))
    orders = talk.at(2900, told.AgentTurnStarted("r1"), told.AgentAudio("i1", sound(20)))
    assert told.Answered(900, decided_ms=600) in orders


def test_a_session_that_does_not_answer_by_itself_is_asked() -> None:
    talk = Talk(answers_itself=False)
    talk.ready()
    assert talk.caller_says("Hello?") == [
        told.Ask(),
        told.Record(Turn("caller", "Hello?", 0, 1000, item_id="u1")),
    ]


def test_keys_are_told_as_a_note_after_a_pause_or_the_hash() -> None:
    talk = Talk()
    talk.ready()
    assert talk.at(1000, told.CallerPressed("4"), told.CallerPressed("2")) == []
    assert talk.wait() == [
        told.Record(Note("dtmf", 2500, {"keys": "42"})),
        told.Tell("The caller pressed these telephone keys: 4 2"),
        told.Ask(),
    ]
    talk.agent_says("Thank you.", 200)
    orders = talk.hear(told.CallerPressed("1"), told.CallerPressed("#"))
    assert told.Tell("The caller pressed these telephone keys: 1 #") in orders


def test_only_one_wish_waits_for_the_floor() -> None:
    talk = Talk()
    talk.ready()
    talk.hear(told.AgentTurnStarted("r1"), told.AgentAudio("i1", sound(200)))
    assert not [o for o in talk.hear(told.CallerPressed("#")) if isinstance(o, told.Ask)]
    assert not [o for o in talk.hear(told.CallerPressed("#")) if isinstance(o, told.Ask)]
    assert talk.hear(talk.done()).count(told.Ask()) == 1
    talk.hear(told.AgentTurnStarted("r2"), told.AgentAudio("i2", sound(200)))
    assert told.Ask() not in talk.hear(talk.done("r2"))


def test_nothing_follows_the_end() -> None:
    talk = Talk()
    talk.ready()
    assert hung_up(talk.hear(told.CallerHungUp())) is EndReason.CALLER_HUNG_UP
    assert talk.conversation.stage is Stage.OVER
    assert talk.hear(told.SessionReady(), told.CallerHungUp(), told.MustLeave()) == []


def test_usage_is_summed() -> None:
    talk = Talk()
    talk.ready()
    spent = Usage(responses=1, input_audio_tokens=10, output_audio_tokens=20)
    for turn in ("r1", "r2"):
        talk.hear(told.AgentTurnStarted(turn), told.AgentAudio(turn, sound(20)))
        talk.hear(told.AgentTurnDone(turn, Outcome.COMPLETED, spent))
    assert talk.conversation.purse.usage == Usage(
        responses=2, input_audio_tokens=20, output_audio_tokens=40
    )


def test_conversations_share_nothing() -> None:
    one, other = Talk(), Talk()
    one.ready()
    assert one.conversation.stage is Stage.TALKING
    assert other.conversation.stage is Stage.OPENING
