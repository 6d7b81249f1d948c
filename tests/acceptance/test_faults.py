"""What a caller notices when something is refused, breaks, or is taken away in the middle."""

import asyncio
import json
import signal
from urllib.request import Request, urlopen

import pytest

from simulators.fleet import Fleet, FleetPlan
from simulators.phone_report import CallReport
from simulators.phone_scripts import Script, Speak, talk
from tests.acceptance.conftest import BRISK, CONFIG, NUMBERS, phone_company, rows_of

TALKATIVE = Script(
    "talkative",
    tuple(
        Speak(line)
        for line in (
            "What are your opening hours?",
            "How much does a cleaning cost?",
            "I would like to book a cleaning on Tuesday at 3 pm.",
            "Thank you, goodbye.",
        )
    ),
)


def arm(fleet: Fleet, simulator: str, point: str, times: int = 1, **options: object) -> None:
    body = json.dumps({"point": point, "times": times, **options}).encode()
    request = Request(f"{fleet.control_url(simulator)}/faults", body, method="POST")
    request.add_header("Content-Type", "application/json")
    with urlopen(request, timeout=5) as answer:
        assert answer.status == 200


async def place(fleet: Fleet, script: Script) -> CallReport:
    async with phone_company(fleet) as phone:
        report = await phone.place("+15557000009", NUMBERS["clinic"], script.but(**BRISK))
    assert report.violations == []
    return report


async def test_a_session_refused_ends_in_an_apology_not_in_silence(fleet: Fleet) -> None:
    arm(fleet, "realtime", "refuse", row="insufficient_quota")
    report = await place(fleet, talk(["Hello?"]))
    assert report.streams[0].media_received > 0, "something was said"
    (row,) = await rows_of(fleet, report.call_sid)
    assert row["end_reason"] == "session_refused"
    await fleet.command("slots", "close", "main")  # the key is good again; others use this fleet


async def test_a_rate_limited_answer_is_asked_for_again(fleet: Fleet) -> None:
    arm(fleet, "realtime", "rate_limited_response", hint="320ms")
    report = await place(fleet, talk(["What are your opening hours?", "Thank you, goodbye."]))
    assert report.ended_by == "twiml_hangup"
    assert len(report.heard) == 3, report.transcript
    assert all(turn.complete for turn in report.heard)


@pytest.mark.parametrize("point", ["rate_limited", "server_error", "length"])
async def test_a_score_refused_once_is_had_the_next_time(fleet: Fleet, point: str) -> None:
    arm(fleet, "chat", point)
    report = await place(fleet, talk(["I would like to book a cleaning.", "Thank you, goodbye."]))
    (row,) = await rows_of(fleet, report.call_sid)
    assert row["status"] == "scored"


async def test_a_killed_worker_costs_an_apology_and_its_slot_comes_back() -> None:
    """Taking the call over is for later; until then nobody is left in silence."""
    async with Fleet(FleetPlan(config=CONFIG, workers=1)) as fleet:
        async with phone_company(fleet) as phone, asyncio.TaskGroup() as group:
            placed = group.create_task(phone.place("+15557000010", NUMBERS["clinic"], TALKATIVE))
            await asyncio.sleep(4)
            fleet.kill("worker-1", signal.SIGKILL)
        report = placed.result()
        assert report.spoken_by_twiml, "Twilio asked what comes next and was told to say something"
        assert report.ended_by == "twiml_hangup"


async def test_a_draining_worker_finishes_its_calls_and_takes_no_new_ones() -> None:
    async with Fleet(FleetPlan(config=CONFIG, workers=2)) as fleet:
        async with phone_company(fleet) as phone, asyncio.TaskGroup() as group:
            calls = [
                group.create_task(phone.place(f"+1555700002{n}", NUMBERS["clinic"], TALKATIVE))
                for n in range(4)
            ]
            await asyncio.sleep(4)
            fleet.kill("worker-1", signal.SIGTERM)
            await asyncio.sleep(1.5)
            late = group.create_task(
                phone.place("+15557000030", NUMBERS["clinic"], talk(["Thank you, goodbye."]))
            )
        for placed in (*calls, late):
            report = placed.result()
            assert report.ended_by == "twiml_hangup", report.transcript
            assert all(turn.complete for turn in report.heard)
        assert await fleet.processes["worker-1"].gone() == 0
