"""What goes into the tables, what does not, what it costs, and how long a failure waits."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callfleet.errors import SealBroken
from callfleet.journal_entries import CallEnd, CallRecord
from services.analytics import rows
from services.analytics.limits import WAIT_MAX_S, Limits, wait_s
from services.analytics.model import Reply
from services.analytics.schema import calls, notes, scores, turns
from services.analytics.scoring import NotScorable, read_answer
from services.analytics.store import SealedTurn
from tests.analytics_scene import answer, ended_call, key_ring

SECRET = "a secret of the operator"


def made(record: CallRecord) -> tuple[rows.Row, list[rows.Row], list[rows.Row]]:
    return rows.call_rows(
        record, key_ring(), vertical="health", secret=SECRET, now_ms=5, score=True
    )


def test_rows_fit_their_tables() -> None:
    call, turn_rows, note_rows = made(ended_call())
    assert set(call) <= set(calls.c.keys())
    assert all(set(row) == set(turns.c.keys()) for row in turn_rows)
    assert all(set(row) == set(notes.c.keys()) for row in note_rows)
    assert (call["turns"], call["duration_ms"], call["input_audio_tokens"]) == (4, 6_500, 200)
    assert (call["status"], call["next_try_at_ms"]) == ("recorded", 5)


def test_nothing_that_was_said_and_no_number_that_called_is_in_the_clear() -> None:
    everything = repr(made(ended_call()))
    for spoken in ("check-up", "Tuesday", "Perfect", "+15557000001", "'digit'"):
        assert spoken not in everything
    narrative = rows.score_row(
        read_answer(answer(), 4), key_ring().new_call_key(ended_call().call_id)[0],
        reply=None, now_ms=1,
    )  # fmt: skip
    assert "check-up" not in repr(narrative)


def test_what_was_sealed_opens_with_the_call_s_key_and_only_in_its_place() -> None:
    record = ended_call()
    call, turn_rows, note_rows = made(record)
    key = key_ring().unwrap(record.call_id, call["wrapped_key"])
    sealed = [
        SealedTurn(row["position"], row["role"], row["interrupted"], row["sealed"])
        for row in turn_rows
    ]
    lines = rows.spoken_lines(sealed, key)
    assert [line.text for line in lines] == [turn.text for turn in record.turns]
    assert [line.interrupted for line in lines] == [False, False, True, False]
    assert rows.opened_caller(key, call["caller_sealed"]) == record.start.caller
    assert rows.note_data(key, 1, note_rows[0]["sealed"]) == {"digit": "5"}
    with pytest.raises(SealBroken):
        rows.turn_text(key, 2, sealed[0].sealed)


def test_a_caller_s_hash_is_the_same_each_time_and_takes_the_secret() -> None:
    one = made(ended_call(1))[0]["caller_hash"]
    assert one == made(ended_call(1))[0]["caller_hash"] == rows.caller_hash(SECRET, "+15557000001")
    assert one != made(ended_call(2))[0]["caller_hash"]
    assert one != rows.caller_hash(SECRET + "!", "+15557000001")


def test_two_hosts_clocks_do_not_make_a_call_of_negative_length() -> None:
    record = ended_call()
    assert record.end is not None
    early = CallEnd(record.end.reason, record.start.started_at_ms - 40)
    assert made(msgspec.structs.replace(record, end=early))[0]["duration_ms"] == 0


def test_score_rows_fit_their_table_and_are_complete_or_say_why_not() -> None:
    key = key_ring().new_call_key(ended_call().call_id)[0]
    reply = Reply("", "gpt-4o-mini-2024-07-18", "gpt-4o-mini", 1000, 200, 100)
    scored = rows.score_row(read_answer(answer(), 4), key, reply=reply, now_ms=9)
    empty = rows.score_row(NotScorable("nothing_said"), key, reply=None, now_ms=9)
    assert set(scored) == set(empty) == set(scores.c.keys()) - {"call_id"}
    assert scored["evidence"] == {"sentiment": [2, 4], "intent": [2]}
    assert scored["price_version"] and not empty["price_version"]
    assert scored["cost_micro_usd"] == 195  # 800 x 0.15 + 200 x 0.075 + 100 x 0.60
    assert (empty["scorable"], empty["why_not"], empty["model"]) == (False, "nothing_said", None)
    told = rows.opened_narrative(key, scored["analysis_version"], scored["narrative"])
    assert told.summary == "The caller booked a check-up for Tuesday."


@given(st.integers(1, 200), st.floats(0, 1), st.one_of(st.none(), st.floats(0, 1e9)))
def test_waits_double_are_bounded_and_never_before_the_hint(
    failures: int, chance: float, hint: float | None
) -> None:
    wait = wait_s(failures, 10.0, hint_s=hint, chance=chance)
    doubled = min(WAIT_MAX_S, 10.0 * 2.0 ** (failures - 1))
    assert doubled / 2 <= wait <= WAIT_MAX_S * 1.1
    assert wait >= min(hint or 0.0, WAIT_MAX_S)


def test_calls_that_fail_together_come_back_apart() -> None:
    waits = {wait_s(3, 10.0, hint_s=30.0, chance=chance / 10) for chance in range(10)}
    assert len(waits) == 10


@given(st.floats(0.1, 600))
def test_each_limit_leaves_room_for_the_one_inside_it(model_s: float) -> None:
    limits = Limits(model_s)
    assert model_s * 1.1 < limits.attempt_s < limits.job_s < limits.lease_s
