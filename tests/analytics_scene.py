"""What the analytics tests play with: calls that ended, and a model that answers as it is told."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from callfleet.calls import CallId, CallStart, EndReason, LegKind, new_call_id
from callfleet.encryption import KeyRing, new_key
from callfleet.journal_entries import CallEnd, CallRecord, Entry, Note, Turn, Usage
from services.analytics.database import Database
from services.analytics.model import Reply
from services.analytics.scoring import Question

STARTED_MS = 1_795_000_000_000
KEYS = new_key()
ANSWER: dict[str, Any] = {
    "scorable": True,
    "why_not": "none",
    "summary": "The caller booked a check-up for Tuesday.",
    "sentiment": "positive",
    "sentiment_value": 0.6,
    "sentiment_turns": [2, 4],
    "intent": "book",
    "intent_detail": "book a check-up",
    "intent_turns": [2],
    "lead_reasons": [{"signal": "asked_to_book", "turns": [2]}],
    "lead_score": 80,
}


def call_id(number: int) -> CallId:
    return new_call_id(STARTED_MS + number, number.to_bytes(10))


def turn(role: Any, text: str, second: int, **more: Any) -> Turn:
    return Turn(role, text, second * 1000, second * 1000 + 900, **more)


def ended_call(number: int = 1, entries: list[Entry] | None = None, **start: Any) -> CallRecord:
    """A finished journal: a caller books something, unless other entries are given."""
    spoken: list[Entry] = [
        turn("agent", "Acme Clinic, how can I help?", 0),
        turn("caller", "I would like to book a check-up, please.", 2),
        Note("dtmf", 3_000, {"digit": "5"}),
        turn("agent", "Tuesday at nine?", 4, interrupted=True, heard_ms=500),
        turn("caller", "Perfect, thank you!", 5),
    ]
    facts: dict[str, Any] = {
        "call_id": call_id(number),
        "org": "main",
        "agent": "clinic",
        "leg": LegKind.TWILIO,
        "caller": f"+1555700{number:04d}",
        "called": "+15551230001",
        "carrier_call_id": f"CA{number:032d}",
        "audio": "audio/pcmu",
        "started_at_ms": STARTED_MS + number,
    }
    end = CallEnd(
        EndReason.CALLER_HUNG_UP,
        STARTED_MS + number + 6_500,
        Usage("gpt-realtime-2.1", 2, 100, 200, 50, 40, 300),
    )
    return CallRecord(CallStart(**facts | start), spoken if entries is None else entries, end)


@dataclass
class Journals:
    """Finished journals as `callfleet.journal.Journal` hands them out."""

    records: dict[CallId, CallRecord] = field(default_factory=dict)
    forgotten: list[CallId] = field(default_factory=list)

    def add(self, record: CallRecord) -> CallId:
        self.records[record.call_id] = record
        return record.call_id

    async def read(self, call_id: CallId) -> CallRecord | None:
        return self.records.get(call_id)

    async def forget(self, call_id: CallId) -> bool:
        self.forgotten.append(call_id)
        return self.records.pop(call_id, None) is not None

    async def finished(self, count: int) -> list[CallId]:
        return list(self.records)[:count]


class Model:
    """Answers with what `say` returns (or raises), and remembers what it was asked."""

    def __init__(self, say: Callable[[int], str] | None = None) -> None:
        self.say = say or (lambda _asked: answer())
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Reply:
        self.asked.append(question)
        text = self.say(len(self.asked))
        return Reply(text, "gpt-4o-mini-2024-07-18", "gpt-4o-mini", 1000, 0, 100)


def answer(**changes: Any) -> str:
    return msgspec.json.encode(ANSWER | changes).decode()


def key_ring() -> KeyRing:
    return KeyRing.parse(KEYS)


@asynccontextmanager
async def migrated(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    try:
        await database.migrate()
        yield database
    finally:
        await database.close()
