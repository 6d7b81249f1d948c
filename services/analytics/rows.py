"""Between what the program speaks of and what the tables hold: sealing, opening, flattening.

The caller's number is kept twice: as a keyed hash, so that calls of one caller can be found without
being able to read the number out of the table, and sealed with the call's key, so that whoever may
read the transcript may read the number too. The hash is keyed with a secret because ten digits are
guessed in minutes otherwise.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from callfleet import prices
from callfleet.encryption import CallKey, KeyRing
from callfleet.journal_entries import CALL_BACK, CallRecord, Note
from services.analytics.model import Reply
from services.analytics.scoring import ANALYSIS_VERSION, RUBRIC, Line, NotScorable, Score
from services.analytics.store import SealedTurn

CALLER: Final = "caller"  # purposes: a text sealed for one cannot be opened as another
TURN: Final = "turn"
NOTE: Final = "note"
NARRATIVE: Final = "narrative"

Row = dict[str, Any]


class Narrative(msgspec.Struct, frozen=True):
    """The free text of a score."""

    summary: str
    intent: str


def caller_hash(secret: str, caller: str) -> str:
    """Equal for equal numbers, useless without the secret."""
    key = hmac.digest(secret.encode(), b"callfleet caller hash", hashlib.sha256)
    return hmac.new(key, caller.encode(), hashlib.sha256).hexdigest()[:32]


def call_rows(
    record: CallRecord, keys: KeyRing, *, vertical: str, secret: str, now_ms: int, score: bool
) -> tuple[Row, list[Row], list[Row]]:
    """A finished journal as rows of calls, turns and notes, sealed with a key of their own."""
    start, end = record.start, record.end
    assert end is not None, "only finished calls are recorded"
    key, wrapped = keys.new_call_key(start.call_id)
    turns = [
        {
            "call_id": start.call_id,
            "position": position,
            "role": turn.role,
            "started_ms": turn.started_ms,
            "ended_ms": turn.ended_ms,
            "interrupted": turn.interrupted,
            "heard_ms": turn.heard_ms,
            "sealed": key.seal(turn.text.encode(), purpose=TURN, sequence=position),
        }
        for position, turn in enumerate(record.turns, 1)
    ]
    noted = (entry for entry in record.entries if isinstance(entry, Note))
    notes = [
        {
            "call_id": start.call_id,
            "position": position,
            "kind": note.kind,
            "at_ms": note.at_ms,
            "sealed": key.seal(msgspec.json.encode(note.data), purpose=NOTE, sequence=position),
        }
        for position, note in enumerate(noted, 1)
    ]
    usage = msgspec.structs.asdict(end.usage)
    call = {
        "call_id": start.call_id,
        "carrier_call_id": start.carrier_call_id,
        "org": start.org,
        "agent": start.agent,
        "vertical": vertical,
        "leg": start.leg.value,
        "caller_hash": caller_hash(secret, start.caller),
        "caller_sealed": key.seal(start.caller.encode(), purpose=CALLER, sequence=0),
        "called": start.called,
        "started_at_ms": start.started_at_ms,
        "ended_at_ms": end.ended_at_ms,
        # Two hosts' clocks: the end may seem to come first.
        "duration_ms": max(0, end.ended_at_ms - start.started_at_ms),
        "end_reason": end.reason.value,
        "end_detail": end.detail,
        "turns": len(turns),
        "takeovers": record.takeovers,
        "damaged": len(record.damage),
        **usage,
        "session_cost_micro_usd": end.cost_micro_usd,
        "price_version": end.price_version,
        "answers": end.answers,
        "answer_ms_median": end.answer_ms_median,
        "answer_ms_slowest": end.answer_ms_slowest,
        "waited_ms": start.waited_ms,
        "call_back": "requested" if any(note["kind"] == CALL_BACK for note in notes) else "",
        "wrapped_key": wrapped,
        "traceparent": start.traceparent,
        "recorded_at_ms": now_ms,
        "status": "recorded",
        "next_try_at_ms": now_ms if score else None,
    }
    return call, turns, notes


def spoken_lines(turns: Iterable[SealedTurn], key: CallKey) -> list[Line]:
    """What was said; raises `SealBroken` for a turn that was damaged or swapped."""
    return [
        Line(turn.role, turn_text(key, turn.position, turn.sealed), turn.interrupted)
        for turn in turns
    ]


def turn_text(key: CallKey, position: int, sealed: bytes) -> str:
    return key.open(sealed, purpose=TURN, sequence=position).decode()


def note_data(key: CallKey, position: int, sealed: bytes) -> Any:
    return msgspec.json.decode(key.open(sealed, purpose=NOTE, sequence=position))


def opened_caller(key: CallKey, sealed: bytes) -> str:
    return key.open(sealed, purpose=CALLER, sequence=0).decode()


def opened_narrative(key: CallKey, version: int, sealed: bytes) -> Narrative:
    plain = key.open(sealed, purpose=NARRATIVE, sequence=version)
    return msgspec.json.decode(plain, type=Narrative)


def score_row(
    verdict: Score | NotScorable, key: CallKey, *, reply: Reply | None, now_ms: int
) -> Row:
    """The row of the current analysis version, with what the answer cost."""
    row: Row = {
        "analysis_version": ANALYSIS_VERSION,
        "rubric": RUBRIC,
        "scorable": isinstance(verdict, Score),
        "why_not": verdict.why if isinstance(verdict, NotScorable) else None,
        "sentiment": None,
        "sentiment_value": None,
        "intent": None,
        "lead_score": None,
        "reasons": None,
        "evidence": None,
        "narrative": None,
        "model": None,
        "asked_model": None,
        "prompt_tokens": 0,
        "answer_tokens": 0,
        "cost_micro_usd": 0,
        "price_version": "",
        "created_at_ms": now_ms,
    }
    if isinstance(verdict, Score):
        row |= _judgement(verdict, key)
    if reply is not None:
        row |= {
            "model": reply.model,
            "asked_model": reply.asked_model,
            "prompt_tokens": reply.prompt_tokens,
            "answer_tokens": reply.answer_tokens,
            "cost_micro_usd": cost_of(reply, now_ms),
            "price_version": prices.VERSION,
        }
    return row


def cost_of(reply: Reply, now_ms: int) -> int | None:
    return prices.cost_micro_usd(
        reply.model,
        prices.day_of(now_ms),
        prompt=reply.prompt_tokens,
        cached=reply.cached_tokens,
        answer=reply.answer_tokens,
    )


def _judgement(score: Score, key: CallKey) -> Row:
    narrative = msgspec.json.encode(Narrative(score.summary, score.intent_detail))
    return {
        "sentiment": score.sentiment,
        "sentiment_value": score.sentiment_value,
        "intent": score.intent,
        "lead_score": score.lead_score,
        "reasons": [{"signal": signal, "turns": list(turns)} for signal, turns in score.reasons],
        "evidence": {
            "sentiment": list(score.sentiment_turns),
            "intent": list(score.intent_turns),
        },
        "narrative": key.seal(narrative, purpose=NARRATIVE, sequence=ANALYSIS_VERSION),
    }
