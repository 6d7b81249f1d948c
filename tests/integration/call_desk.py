"""What tests of journal, slots and roster begin with: one Redis, one fleet's view of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from callfleet.calls import CallId, CallStart, EndReason, LegKind, new_call_id
from callfleet.encryption import KeyRing, new_key
from callfleet.journal import Journal
from callfleet.journal_entries import CallEnd, Note, Turn
from callfleet.journal_writer import Trigger
from callfleet.roster import Roster, WorkerCard
from callfleet.slots import Lease, OrgLimits, Slots

ORG, AGENT = "main", "receptionist"
HUNG_UP = CallEnd(EndReason.CALLER_HUNG_UP, 1_790_000_060_000)


@dataclass
class Desk:
    redis: "Redis"
    keys: KeyRing
    journal: Journal
    roster: Roster
    slots: Slots

    async def lease(self, call_id: CallId, holder: str = "gateway:1") -> Lease:
        given = await self.slots.acquire(ORG, AGENT, call_id, holder=holder)
        assert isinstance(given, Lease), given
        return given

    async def put(self, key: str, name: str, value: str) -> None:
        """Damage a field of a hash."""
        await self.redis.execute_command("HSET", key, name, value)  # type: ignore[no-untyped-call]  # redis-py's


class Snapshot:
    """What a replica knew that is promoted later."""

    def __init__(self, at: Desk) -> None:
        self._at = at
        self._held: dict[bytes, Any] = {}

    async def take(self) -> None:
        for key in await self._at.redis.keys("callfleet:journal:*"):
            self._held[key] = await self._at.redis.dump(key)

    async def promote(self) -> None:
        await self._at.redis.flushall()
        for key, value in self._held.items():
            await self._at.redis.restore(key, 0, value)


@asynccontextmanager
async def desk(
    url: str,
    *,
    sessions: int = 10,
    limit_s: float = 2.0,
    keys: KeyRing | None = None,
    trigger: Trigger | None = None,
) -> AsyncIterator[Desk]:
    redis = Redis.from_url(url, socket_timeout=limit_s, socket_connect_timeout=limit_s)
    keys = keys or KeyRing.parse(new_key())
    slots = Slots(redis)
    try:
        await slots.configure(ORG, OrgLimits(sessions, max_waiting=5))
        yield Desk(redis, keys, Journal(redis, keys, trigger=trigger), Roster(redis), slots)
    finally:
        await redis.aclose()


def call(number: int) -> CallId:
    return new_call_id(number, b"0123456789")


def start(call_id: CallId) -> CallStart:
    return CallStart(
        call_id=call_id,
        org=ORG,
        agent=AGENT,
        leg=LegKind.TWILIO,
        caller="+15557654321",
        called="+15551230000",
        carrier_call_id="CA1",
        audio="audio/pcmu",
        started_at_ms=1_790_000_000_000,
    )


def said(number: int, text: str = "") -> Turn:
    return Turn("caller", text or f"words {number}", number * 1000, number * 1000 + 500)


def noted(number: int) -> Note:
    return Note("dtmf", number * 1000, {"digit": str(number % 10)})


def card(worker: str, capacity: int = 10, **more: object) -> WorkerCard:
    fields: dict[str, object] = {"live": 0, "draining": False, "version": "1"} | more
    return WorkerCard(worker, f"ws://{worker}/link", capacity, **fields)  # type: ignore[arg-type]  # as WorkerCard has them
