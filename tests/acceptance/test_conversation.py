"""What a caller notices when the session breaks, ages or is put off, and when nobody speaks."""

import json
from typing import Any

from simulators.fleet import Fleet, FleetPlan
from simulators.phone_report import CallReport
from simulators.phone_scripts import HangUp, Interrupt, Listen, Press, Script, Speak, Wait, talk
from tests.acceptance.conftest import BRISK, CONFIG, NUMBERS, phone_company, rows_of
from tests.acceptance.test_calls import sessions
from tests.acceptance.test_faults import arm


async def call(fleet: Fleet, script: Script, agent: str = "clinic") -> CallReport:
    async with phone_company(fleet) as phone:
        report = await phone.place("+15557000040", NUMBERS[agent], script.but(**BRISK))
    assert report.violations == []
    return report


async def recorded(fleet: Fleet, report: CallReport) -> dict[str, Any]:
    await rows_of(fleet, report.call_sid)
    code, output, errors = await fleet.command("calls", "show", report.call_sid, "--format", "json")
    assert code == 0, errors
    shown: dict[str, Any] = json.loads(output)
    return shown


async def test_a_session_lost_in_mid_sentence_is_replaced_by_one_that_knows(fleet: Fleet) -> None:
    """The call goes on, and the next question is answered from what was said before."""
    arm(fleet, "realtime", "drop_mid_response", after_deltas=4, matching="Acme Dental")
    before = sessions(fleet)["total"]
    lines = ["My name is Dana Whitfield.", "What is my name?", "Thank you, goodbye."]
    report = await call(fleet, talk(lines))
    assert any("Dana" in turn.text for turn in report.heard), report.transcript
    assert report.ended_by == "twiml_hangup"
    assert sessions(fleet)["total"] - before == 2
    shown = await recorded(fleet, report)
    said = [turn["text"] for turn in shown["transcript"] if turn["role"] == "caller"]
    assert said == lines, "every line once"


async def test_a_rate_limit_is_borne_with_a_word_and_then_answered(fleet: Fleet) -> None:
    arm(fleet, "realtime", "rate_limited_response", hint="2.6s")
    report = await call(fleet, talk(["What are your opening hours?", "Thank you, goodbye."]))
    assert report.ended_by == "twiml_hangup"
    assert len([turn for turn in report.heard if turn.complete]) == 3, report.transcript
    shown = await recorded(fleet, report)
    assert "filler" in json.dumps(shown), "the caller was asked for a moment's patience"


async def test_a_silent_caller_is_asked_and_then_left(fleet: Fleet) -> None:
    report = await call(fleet, Script("mute", (Wait(20_000), HangUp())), "shy")
    spoken = [turn.text for turn in report.heard]
    assert spoken[0] == "Hello, this is the quiet line."
    assert spoken[1] == "Are you still there?"
    assert "oodbye" in spoken[2], spoken
    assert report.ended_by == "twiml_hangup"
    (row,) = await rows_of(fleet, report.call_sid)
    assert row["end_reason"] == "caller_silent"


async def test_keys_are_read_as_one_entry(fleet: Fleet) -> None:
    script = Script("keys", (Listen(), Press("4711#"), Speak("Thank you, goodbye.")))
    report = await call(fleet, script)
    assert report.ended_by == "twiml_hangup"
    assert "4711#" in json.dumps(await recorded(fleet, report))


async def test_a_greeting_that_must_be_heard_is_heard(fleet: Fleet) -> None:
    script = Script(
        "impatient",
        (Interrupt("What are your opening hours?", after_ms=300), Speak("Thank you, goodbye.")),
    )
    report = await call(fleet, script, "insistent")
    greeting, *answers = report.heard
    assert greeting.complete, report.transcript
    assert greeting.text.endswith("this sentence first.")
    assert any("open" in turn.text for turn in answers), "and what was said into it is answered"


async def test_sessions_are_changed_for_new_ones_without_the_caller_noticing() -> None:
    lines = (
        "My name is Dana Whitfield.",
        "What are your opening hours?",
        "How much does a cleaning cost?",
        "What is my name?",
        "Thank you, goodbye.",
    )
    script = Script("slow", tuple(step for line in lines for step in (Speak(line), Wait(5_000))))
    plan = FleetPlan(config=CONFIG, workers=1, realtime_arguments=("--session-s", "14"))
    async with Fleet(plan) as fleet:
        report = await call(fleet, script)
        assert all(turn.complete for turn in report.heard), report.transcript
        assert any("Dana" in turn.text for turn in report.heard[3:]), report.transcript
        assert sessions(fleet)["total"] > 1, "there was a change"
        shown = await recorded(fleet, report)
    assert [t["text"] for t in shown["transcript"] if t["role"] == "caller"] == list(lines)
    assert "session_lost" not in json.dumps(shown)
