"""Calls through a whole fleet of processes, judged by what caller, database and API saw."""

import asyncio
import json
from urllib.request import urlopen

from simulators.fleet import Fleet
from simulators.phone_humans import Human
from simulators.phone_report import CallReport
from simulators.phone_scripts import (
    HangUp,
    Interrupt,
    Listen,
    Script,
    Speak,
    Wait,
    hanging_up_mid_word,
    silent,
    talk,
)
from tests.acceptance.conftest import BRISK, NUMBERS, LiveFleet, phone_company, rows_of

GREETING = "Thanks for calling Acme Clinic. How can I help you today?"


async def call(
    fleet: Fleet | LiveFleet, script: Script, agent: str = "clinic", **options: object
) -> CallReport:
    async with phone_company(fleet, **options) as phone:
        report = await phone.place("+15557000001", NUMBERS[agent], script.but(**BRISK))
    assert report.violations == []
    return report


def sessions(fleet: Fleet) -> dict[str, int]:
    """The simulated API's own count of them."""
    with urlopen(f"{fleet.control_url('realtime')}/state", timeout=5) as answer:
        counts: dict[str, int] = json.load(answer)["sessions"]
        return counts


async def test_a_caller_books_an_appointment(anywhere: Fleet | LiveFleet) -> None:
    """Every word of both sides arrives whole, in order, and the agent remembers."""
    report = await call(
        anywhere,
        talk(
            [
                "Hi, I would like to book a cleaning on Tuesday at 3 pm.",
                "My name is Dana Whitfield.",
                "What is my name?",
                "Thank you, goodbye.",
            ]
        ),
    )
    assert report.heard[0].text == GREETING
    assert all(turn.complete for turn in report.heard), report.transcript
    assert (report.lost_frames, report.reordered) == (0, 0)
    spoken = [turn.text for turn in report.heard]
    assert any("Tuesday" in text and "3 pm" in text for text in spoken[1:3]), spoken
    assert "Dana" in spoken[3], spoken
    assert report.ended_by == "twiml_hangup", "the agent hangs up after its goodbye"
    assert report.streams[0].unplayed_ms == 0, "the goodbye was heard to its end"


async def test_what_was_said_is_recorded_word_for_word_and_scored(fleet: Fleet) -> None:
    lines = ["I would like to book a filling on Friday at 9 am.", "Thank you, goodbye."]
    report = await call(fleet, talk(lines))
    (row,) = await rows_of(fleet, report.call_sid)
    assert row["status"] == "scored"
    assert row["end_reason"] == "agent_hung_up"
    assert row["intent"] and row["sentiment"] in ("positive", "neutral", "negative")
    assert 0 <= row["lead_score"] <= 100
    code, output, errors = await fleet.command("calls", "show", report.call_sid, "--format", "json")
    assert code == 0, errors
    turns = json.loads(output)["transcript"]
    assert [turn["text"] for turn in turns if turn["role"] == "caller"] == lines
    heard = [turn.text for turn in report.heard]
    assert [turn["text"] for turn in turns if turn["role"] == "agent"] == heard


async def test_a_caller_interrupts(fleet: Fleet) -> None:
    """Playback stops at once, and the journal keeps what was heard, not what was meant."""
    script = Script(
        "interrupting",
        (
            Speak("What are your opening hours?"),
            Interrupt("Hello, can I book a cleaning on Monday at 9 am?", after_ms=900),
            Speak("Thank you, goodbye."),
        ),
    )
    report = await call(fleet, script)
    (barge_in,) = report.barge_ins
    assert barge_in.clear_after_ms is not None, "the carrier was told to stop playing"
    assert barge_in.dropped_ms > 0, "and had something left to play"
    assert [turn.complete for turn in report.heard][:3] == [True, False, True]
    code, output, _ = await _shown(fleet, report)
    assert code == 0
    cut = [turn for turn in json.loads(output)["transcript"] if turn["interrupted"]]
    assert len(cut) == 1
    heard_ms = report.heard[1].ended_ms - report.heard[1].started_ms
    assert 0 < cut[0]["heard_ms"] <= heard_ms + 20, "never more than was heard"


async def _shown(fleet: Fleet, report: CallReport) -> tuple[int, str, str]:
    await rows_of(fleet, report.call_sid)
    return await fleet.command("calls", "show", report.call_sid, "--format", "json")


async def test_a_caller_hangs_up_in_the_middle_of_a_word(fleet: Fleet) -> None:
    report = await call(fleet, hanging_up_mid_word(seed=3))
    assert report.ended_by == "caller_hung_up"
    (row,) = await rows_of(fleet, report.call_sid)
    assert row["end_reason"] == "caller_hung_up"


async def test_a_call_in_which_nobody_speaks_is_not_given_a_score(fleet: Fleet) -> None:
    report = await call(fleet, silent(stays_ms=5000))
    (row,) = await rows_of(fleet, report.call_sid)
    assert (row["status"], row["lead_score"]) == ("not_scorable", None)


async def test_a_full_org_overflows_as_each_agent_says(fleet: Fleet) -> None:
    """One slot: whoever comes second is dialled on, told something, or hears the busy tone."""
    held = Script("holding", (Wait(9000), HangUp()))
    humans = {"+15550100100": Human(greeting="Front desk, hello.")}
    async with phone_company(fleet, humans=humans) as phone, asyncio.TaskGroup() as group:
        first = group.create_task(phone.place("+15557000002", NUMBERS["busy"], held))
        await asyncio.sleep(1.5)  # it is talking by then, and has the only slot
        busy, dialled, told = await asyncio.gather(
            *(
                phone.place("+15557000003", NUMBERS[agent], talk(["Hello?"]))
                for agent in ("busy", "dialled", "told")
            )
        )
    assert first.result().ended_by == "caller_hung_up"
    assert busy.ended_by == "busy"
    assert [leg.address for leg in dialled.dialled] == ["+15550100100"]
    assert dialled.ended_by == "dialled"
    assert told.spoken_by_twiml == ["All lines are busy. Please call again later."]
    rows = await rows_of(fleet, busy.call_sid, dialled.call_sid, told.call_sid)
    assert [row["end_reason"] for row in rows] == ["no_slot"] * 3


async def test_a_slot_is_free_again_when_its_call_is_over(fleet: Fleet) -> None:
    for _ in range(2):
        report = await call(fleet, Script("brief", (Listen(), HangUp())), "busy")
        assert report.heard, "the second caller gets the agent too"


async def test_a_number_nobody_owns_is_told_so(fleet: Fleet) -> None:
    async with phone_company(fleet) as phone:
        report = await phone.place("+15557000001", "+15559999999", talk(["Hello?"]))
    assert report.violations == []
    assert len(report.spoken_by_twiml) == 1
    assert report.ended_by == "twiml_hangup"


async def test_every_call_had_one_session_and_none_is_left(fleet: Fleet) -> None:
    before = sessions(fleet)
    await call(fleet, talk(["Thank you, goodbye."]))
    after = sessions(fleet)
    assert after["total"] - before["total"] == 1
    assert after["live"] == 0, "a session outlived its call"
