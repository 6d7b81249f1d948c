"""Dialogues about what we hear ourselves: trouble with the sound, and push to talk; and changes."""

from datetime import date
from typing import Any

from callfleet.calls import EndReason
from callfleet.journal_entries import Note, Usage
from callfleet.prices import Price, Rates, price_of
from services.worker import dialogue as told
from services.worker.dialogue import Change, Outcome, Sound
from services.worker.spending import Tariff, spent_before
from tests.unit.worker.dialogues import Talk, hung_up, marks, sound

PUSH: dict[str, Any] = {"answers_itself": False, "turn_key": "#", "pause_ms": 1500}


def notes(talk: Talk) -> list[tuple[str, object]]:
    return [(each.kind, each.data) for each in talk.journal if isinstance(each, Note)]


# Trouble -----------------------------------------------------------------------------------------


def test_trouble_with_the_sound_is_noted() -> None:
    talk = Talk()
    talk.ready()
    talk.at(700, told.SoundTrouble(Sound.NOISE))
    assert talk.journal == [Note("sound", 700, {"trouble": "noise"})]


def test_a_caller_who_is_too_quiet_is_asked_once_to_speak_up() -> None:
    talk = Talk(speak_up=True, speak_up_words="Could you speak up, please?")
    talk.ready()
    assert told.Say("Could you speak up, please?") in talk.hear(told.SoundTrouble(Sound.FAINT))
    talk.agent_says("Could you speak up, please?", 200)
    talk.hear(told.Heard("1"))
    orders = talk.hear(told.SoundTrouble(Sound.FAINT))
    assert [order for order in orders if not isinstance(order, told.Record)] == []


def test_the_agent_may_find_its_own_words_for_it() -> None:
    talk = Talk(speak_up=True)
    talk.ready()
    orders = talk.hear(told.SoundTrouble(Sound.FAINT))
    assert any(isinstance(order, told.Advise) for order in orders)
    assert told.Ask() in orders


def test_nobody_is_asked_to_speak_up_while_the_agent_speaks_or_for_other_trouble() -> None:
    talk = Talk(speak_up=True)
    talk.ready()
    assert told.Ask() not in talk.hear(told.SoundTrouble(Sound.CLIPPED))
    talk.agent_says("We are open on Monday.", 1000, done=False)
    assert told.Ask() not in talk.hear(told.SoundTrouble(Sound.FAINT))


# Push to talk ------------------------------------------------------------------------------------


def test_a_key_ends_the_callers_turn() -> None:
    talk = Talk(**PUSH)
    talk.ready()
    assert talk.hear(told.CallerPressed("#")) == [told.EndCallerTurn()]
    assert talk.hear(told.CallerTurnEnded("u1")) == [told.Ask()]


def test_the_same_key_ends_an_entry_that_is_under_way() -> None:
    talk = Talk(**PUSH)
    talk.ready()
    talk.hear(told.CallerPressed("4"))
    orders = talk.hear(told.CallerPressed("#"))
    assert told.EndCallerTurn() not in orders
    assert ("dtmf", {"keys": "4#"}) in notes(talk)


def test_a_pause_ends_it_too_and_the_wait_counts_from_the_last_word() -> None:
    talk = Talk(**PUSH)
    talk.ready()
    assert talk.at(5000, told.CallerPaused(1600)) == [told.EndCallerTurn()]
    talk.hear(told.CallerTurnEnded("u1"))
    orders = talk.at(5300, told.AgentTurnStarted("r1"), told.AgentAudio("i1", sound(20)))
    assert told.Answered(1900, decided_ms=1600) in orders


def test_any_key_stops_an_agent_whom_no_voice_stops() -> None:
    talk = Talk(**PUSH)
    talk.ready()
    talk.agent_says("We are open on Monday and on Tuesday.", 1000)
    assert told.StopPlayback() in talk.hear(told.CallerPressed("1"))


def test_a_pause_while_the_agent_speaks_is_the_agents_own() -> None:
    talk = Talk(**PUSH)
    talk.ready()
    talk.agent_says("We are open on Monday.", 1000)
    assert talk.hear(told.CallerPaused(1600)) == []


# Changes of settings -----------------------------------------------------------------------------

SLOWER = Change(speed=0.9)


def test_settings_change_at_once_when_nobody_speaks() -> None:
    talk = Talk()
    talk.ready()
    assert told.ChangeSettings(SLOWER) in talk.hear(told.ChangeWanted(SLOWER))
    assert notes(talk) == [("settings", {"speed": True})]


def test_settings_change_between_turns_and_the_latest_wish_counts() -> None:
    talk = Talk()
    talk.ready()
    talk.agent_says("We are open", 400, done=False)
    assert talk.hear(told.ChangeWanted(SLOWER)) == []
    assert talk.hear(told.ChangeWanted(Change(speed=1.2, instructions="Be brief."))) == []
    orders = talk.hear(talk.done())
    assert told.ChangeSettings(Change(speed=1.2, instructions="Be brief.")) in orders


def test_a_voice_changes_only_before_it_was_heard() -> None:
    talk = Talk()
    talk.ready()
    ash = Change(voice="ash")
    assert told.ChangeSettings(ash) in talk.hear(told.ChangeWanted(ash))
    talk.agent_says("Hello.", 200)
    orders = talk.hear(told.ChangeWanted(Change(voice="cedar", speed=1.1)))
    assert told.ChangeSettings(Change(speed=1.1)) in orders
    assert ("settings_refused", {"setting": "voice", "why": "heard already"}) in notes(talk)
    assert not any(
        isinstance(order, told.ChangeSettings)
        for order in talk.hear(told.ChangeWanted(Change(voice="cedar")))
    )


def test_a_change_the_session_would_not_have_is_noted() -> None:
    talk = Talk()
    talk.ready()
    talk.hear(told.ChangeWanted(SLOWER), told.ChangeRefused())
    assert notes(talk)[-1] == ("settings_refused", {"setting": "any", "why": "by the session"})


# Money -------------------------------------------------------------------------------------------

TARIFF = Tariff(
    Price(
        models=("m",),
        effective_from=date(2026, 1, 1),
        source="here",
        text=Rates(1, 1, 1),
        audio=Rates(1, 1, 1),
    ),
    price_of("gpt-transcribe", date(2026, 11, 20)),
)


def test_a_call_that_has_spent_its_budget_is_ended_politely() -> None:
    talk = Talk(tariff=TARIFF, budget_micro_usd=150, goodbye="I have to go. Goodbye!")
    talk.ready()
    for number, last in ((1, False), (2, True)):
        talk.hear(told.AgentTurnStarted(f"r{number}"), told.AgentAudio(f"i{number}", sound(400)))
        usage = Usage(responses=1, input_audio_tokens=50, output_audio_tokens=50)
        orders = talk.hear(
            told.AgentAudioEnded(f"i{number}"),
            told.AgentTurnDone(f"r{number}", Outcome.COMPLETED, usage),
        )
        last_mark = str(2 * number)
        orders += talk.hear(told.Heard(last_mark))
        assert (told.Say("I have to go. Goodbye!") in orders) is last
    assert talk.conversation.purse.spent_micro_usd == 200
    orders = talk.agent_says("I have to go. Goodbye!", 400, turn="r3", item="i3")
    assert hung_up(talk.hear(told.Heard(marks(orders)[-1]))) is EndReason.BUDGET_SPENT
    assert ("goodbye", {"reason": "budget_spent"}) in notes(talk)


def test_writing_down_and_what_is_beside_the_conversation_are_paid_for_too() -> None:
    talk = Talk(tariff=TARIFF)
    talk.ready()
    talk.caller_says(None)
    talk.hear(told.CallerWords("u1", "Hello", Usage(transcription_audio_tokens=600)))
    talk.hear(told.Spent(Usage(responses=1, output_text_tokens=7)))
    assert talk.conversation.purse.spent_micro_usd == 4_507
    assert spent_before(talk.journal) == talk.conversation.purse.usage


def test_without_a_price_there_is_no_cost_and_no_budget() -> None:
    talk = Talk(budget_micro_usd=1)
    talk.ready()
    talk.hear(told.Spent(Usage(responses=1, output_text_tokens=7_000)))
    assert talk.conversation.purse.spent_micro_usd is None
    assert not talk.conversation.purse.empty
