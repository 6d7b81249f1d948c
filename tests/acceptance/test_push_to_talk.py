"""A caller whose turns nobody but we find the ends of: no turn detection at the API."""

import json

from simulators.fleet import Fleet
from simulators.phone_scripts import talk
from tests.acceptance.conftest import BRISK, NUMBERS, phone_company, rows_of


async def test_a_pause_after_speech_ends_the_turn(fleet: Fleet) -> None:
    lines = ["What are your opening hours?", "Thank you, goodbye."]
    async with phone_company(fleet) as phone:
        script = talk(lines).but(**BRISK)
        report = await phone.place("+15557000079", NUMBERS["pushing"], script)
    assert len(report.heard) == 1 + len(lines), report.transcript
    await rows_of(fleet, report.call_sid)
    code, output, errors = await fleet.command("calls", "show", report.call_sid, "--format", "json")
    assert code == 0, errors
    call = json.loads(output)
    assert [turn["text"] for turn in call["transcript"] if turn["role"] == "caller"] == lines
    assert call["end_reason"] == "agent_hung_up"
