"""Calls and their scores in the database: each transition of a call's status is one transaction.

    recorded --claim--> scoring --finish--> scored | not_scorable
       ^                   |
       +------ fail -------+------ fail, too often ------> dead

The status column is the truth about open work; jobs are only triggers. A claim is a compare-and-set
with a lease: it names itself, it ends by itself (`next_try_at_ms`), and only its holder can finish.
So a job may run twice, or die anywhere, and a call is still recorded once and scored once.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from callfleet.calls import CallId
from services.analytics.database import Database
from services.analytics.schema import calls, notes, scores, turns

ERROR_MAX_CHARS: Final = 500
_INSERT: Final[Mapping[str, Callable[[sa.Table], Any]]] = {  # both know ON CONFLICT; no base does
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to score one call, until its lease ends."""

    call_id: CallId
    lease: str
    attempt: int  # 1 is the first
    agent: str
    vertical: str
    traceparent: str
    wrapped_key: bytes | None
    ended_at_ms: int


@dataclass(frozen=True, slots=True)
class SealedTurn:
    """One turn as it rests in the database."""

    position: int
    role: str
    interrupted: bool
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Due:
    """A call whose scoring may begin, and how often it was begun before."""

    call_id: CallId
    attempts: int


@dataclass(frozen=True, slots=True)
class OpenWork:
    """How many calls are in a state, and the age of the oldest of them."""

    status: str
    count: int
    oldest_ms: int


class Store:
    """What jobs do to the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = _INSERT[database.dialect]

    async def record(self, call: Row, turn_rows: Sequence[Row], note_rows: Sequence[Row]) -> bool:
        """A whole call, or nothing; False when it was already there, which is as good."""
        async with self._database.write() as connection:
            statement = (
                self._insert(calls)
                .values(**call)
                .on_conflict_do_nothing(index_elements=[calls.c.call_id])
                .returning(calls.c.call_id)
            )
            if (await connection.execute(statement)).first() is None:
                return False
            if turn_rows:
                await connection.execute(sa.insert(turns), list(turn_rows))
            if note_rows:
                await connection.execute(sa.insert(notes), list(note_rows))
        return True

    async def called_back(self, name: str) -> bool:
        """The promise is kept; False when there is none by this name, ours or the carrier's."""
        async with self._database.write() as connection:
            found = await connection.execute(
                sa.update(calls)
                .where(
                    sa.or_(calls.c.call_id == name, calls.c.carrier_call_id == name),
                    calls.c.call_back != "",
                )
                .values(call_back="done")
                .returning(calls.c.call_id)
            )
            return found.first() is not None

    async def claim(
        self, call_id: CallId, *, now_ms: int, lease_ms: int, attempts_max: int
    ) -> Claim | None:
        """The call, if its scoring is due and nobody else has it.

        Beginning counts as an attempt, so that a call which kills its worker each time ends as a
        dead letter too.
        """
        lease = secrets.token_hex(8)
        async with self._database.write() as connection:
            await connection.execute(
                sa.update(calls)
                .where(
                    calls.c.call_id == call_id, _is_due(now_ms), calls.c.attempts >= attempts_max
                )
                .values(
                    status="dead",
                    next_try_at_ms=None,
                    lease=None,
                    last_error=sa.func.coalesce(
                        calls.c.last_error, "each attempt ended with its worker"
                    ),
                )
            )
            found = await connection.execute(
                sa.update(calls)
                .where(calls.c.call_id == call_id, _is_due(now_ms))
                .values(
                    status="scoring",
                    attempts=calls.c.attempts + 1,
                    next_try_at_ms=now_ms + lease_ms,
                    lease=lease,
                )
                .returning(
                    calls.c.attempts,
                    calls.c.agent,
                    calls.c.vertical,
                    calls.c.traceparent,
                    calls.c.wrapped_key,
                    calls.c.ended_at_ms,
                )
            )
            row = found.first()
        return None if row is None else Claim(call_id, lease, *row)

    async def sealed_turns(self, call_id: CallId) -> list[SealedTurn]:
        columns = (turns.c.position, turns.c.role, turns.c.interrupted, turns.c.sealed)
        query = sa.select(*columns).where(turns.c.call_id == call_id).order_by(turns.c.position)
        async with self._database.read() as connection:
            return [SealedTurn(*row) for row in await connection.execute(query)]

    async def finish(self, claim: Claim, score: Row) -> bool:
        """Score and status together; False, and nothing written, when the claim had run out."""
        status = "scored" if score["scorable"] else "not_scorable"
        async with self._database.write() as connection:
            if not await _leave(connection, claim, status=status, last_error=None):
                return False
            values = {**score, "call_id": claim.call_id}
            statement = self._insert(scores).values(**values)
            changed = {name: statement.excluded[name] for name in score}
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[scores.c.call_id, scores.c.analysis_version], set_=changed
                )
            )
        return True

    async def fail(self, claim: Claim, error: str, *, next_try_at_ms: int | None) -> bool:
        """The attempt failed: try again then, or, without a time, never."""
        status = "dead" if next_try_at_ms is None else "recorded"
        async with self._database.write() as connection:
            return await _leave(
                connection,
                claim,
                status=status,
                last_error=error[:ERROR_MAX_CHARS],
                next_try_at_ms=next_try_at_ms,
            )

    async def give_back(self, claim: Claim, *, now_ms: int) -> bool:
        """The attempt was cut short by our own leaving: it does not count."""
        async with self._database.write() as connection:
            return await _leave(
                connection,
                claim,
                status="recorded",
                attempts=calls.c.attempts - 1,
                next_try_at_ms=now_ms,
            )

    async def due(self, *, now_ms: int, limit: int) -> list[Due]:
        """Calls whose scoring may begin, the longest due first."""
        query = (
            sa.select(calls.c.call_id, calls.c.attempts)
            .where(_is_due(now_ms))
            .order_by(calls.c.next_try_at_ms)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [Due(*row) for row in await connection.execute(query)]

    async def open_work(self, *, now_ms: int) -> list[OpenWork]:
        """Per status with something left to look at: dead letters count as open."""
        oldest = now_ms - sa.func.min(calls.c.ended_at_ms)
        query = (
            sa.select(calls.c.status, sa.func.count(), oldest)
            .where(calls.c.status.in_(("recorded", "scoring", "dead")))
            .where(sa.or_(calls.c.status == "dead", calls.c.next_try_at_ms.is_not(None)))
            .group_by(calls.c.status)
        )
        async with self._database.read() as connection:
            return [OpenWork(*row) for row in await connection.execute(query)]


def _is_due(now_ms: int) -> sa.ColumnElement[bool]:
    open_now = calls.c.status.in_(("recorded", "scoring"))
    return sa.and_(open_now, calls.c.next_try_at_ms <= now_ms)


async def _leave(connection: AsyncConnection, claim: Claim, **values: Any) -> bool:
    """End a claim with these values; False when it was not ours any more."""
    left = await connection.execute(
        sa.update(calls)
        .where(
            calls.c.call_id == claim.call_id,
            calls.c.status == "scoring",
            calls.c.lease == claim.lease,
        )
        .values({"lease": None, "next_try_at_ms": None, **values})
    )
    return left.rowcount == 1
