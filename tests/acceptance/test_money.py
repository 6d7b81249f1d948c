"""What a call costs and how long its caller waits, from the API's usage to the analyst's row."""

import json
import re

from simulators.fleet import Fleet
from simulators.phone_scripts import talk
from tests.acceptance.conftest import BRISK, NUMBERS, phone_company, rows_of

# USD per million tokens, of the models that tests/acceptance/callfleet.yaml asks for.
TEXT, AUDIO, CACHED = (4.0, 24.0), (32.0, 64.0), 0.40
TRANSCRIPTION_PER_MINUTE, TOKENS_PER_MINUTE = 0.0045, 600


async def test_a_call_s_row_says_what_it_cost_and_how_long_answers_took(fleet: Fleet) -> None:
    lines = ["I would like to book a cleaning on Monday at 9 am.", "Thank you, goodbye."]
    async with phone_company(fleet) as phone:
        report = await phone.place("+15557000077", NUMBERS["clinic"], talk(lines).but(**BRISK))
    (row,) = await rows_of(fleet, report.call_sid)
    code, output, errors = await fleet.command("calls", "show", report.call_sid, "--format", "json")
    assert code == 0, errors
    call = json.loads(output)

    cached_text, cached_audio = call["input_cached_text_tokens"], call["input_cached_audio_tokens"]
    assert cached_text + cached_audio == call["input_cached_tokens"] > 0
    spoken = (
        (call["input_text_tokens"] - cached_text) * TEXT[0]
        + (call["input_audio_tokens"] - cached_audio) * AUDIO[0]
        + call["input_cached_tokens"] * CACHED
        + call["output_text_tokens"] * TEXT[1]
        + call["output_audio_tokens"] * AUDIO[1]
    )
    minutes = call["transcription_audio_tokens"] / TOKENS_PER_MINUTE
    assert minutes > 0, "the caller was written down, and that is paid for"
    written = minutes * TRANSCRIPTION_PER_MINUTE * 1_000_000
    assert abs(row["session_cost_micro_usd"] - (spoken + written)) <= 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", row["price_version"])

    waits = [note["data"] for note in call["notes"] if note["kind"] == "answer"]
    assert len(waits) == call["answers"] == len(lines)
    assert row["answer_ms_slowest"] == max(wait["after_ms"] for wait in waits)
    assert 0 < row["answer_ms_median"] <= row["answer_ms_slowest"]
    for wait in waits:
        assert wait["decided_ms"] + wait["api_ms"] == wait["after_ms"]
        assert 0 <= wait["own_ms"] < wait["after_ms"]
    receipts = [note["data"] for note in call["notes"] if note["kind"] == "usage"]
    assert sum(each.get("responses", 0) for each in receipts) == call["responses"]

    code, output, errors = await fleet.command("calls", "show", report.call_sid)
    assert code == 0, errors
    assert re.search(r"cost\s+\$0\.\d{4} \(gpt-realtime-2\.1: ", output)
    assert re.search(r"answers\s+2, after \d+\.\d\d s \(median\)", output)
    assert output.count("(after ") == len(lines)


async def test_a_call_that_has_cost_its_budget_is_ended_with_a_goodbye(fleet: Fleet) -> None:
    lines = ["What are your opening hours?", "And on Sundays?", "And on Mondays?"]
    async with phone_company(fleet) as phone:
        script = talk(lines).but(**BRISK)
        report = await phone.place("+15557000078", NUMBERS["thrifty"], script)
    (row,) = await rows_of(fleet, report.call_sid)
    assert row["end_reason"] == "budget_spent"
    assert row["session_cost_micro_usd"] >= 100
    assert report.ended_by == "twiml_hangup"
    assert len(report.heard) == 2, "the answer, and the goodbye"
    assert all(turn.complete for turn in report.heard)
