"""What is read back: lists of calls with their newest score, and one call with all it holds."""

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from callfleet.calls import CallId
from services.analytics.database import Database
from services.analytics.schema import calls, notes, scores, turns

Row = dict[str, Any]

LISTED: Final = (
    calls.c.call_id,
    calls.c.carrier_call_id,
    calls.c.org,
    calls.c.agent,
    calls.c.vertical,
    calls.c.leg,
    calls.c.called,
    calls.c.started_at_ms,
    calls.c.ended_at_ms,
    calls.c.duration_ms,
    calls.c.turns,
    calls.c.end_reason,
    calls.c.waited_ms,
    calls.c.call_back,
    calls.c.answer_ms_median,
    calls.c.answer_ms_slowest,
    calls.c.session_cost_micro_usd,
    calls.c.price_version,
    calls.c.status,
    calls.c.attempts,
    calls.c.last_error,
    scores.c.analysis_version,
    scores.c.why_not,
    scores.c.sentiment,
    scores.c.sentiment_value,
    scores.c.intent,
    scores.c.lead_score,
    scores.c.reasons,
    scores.c.evidence,
    scores.c.model.label("scored_by"),
    scores.c.cost_micro_usd,
)


CALLBACK: Final = (
    calls.c.call_id,
    calls.c.started_at_ms,
    calls.c.agent,
    calls.c.called,
    calls.c.waited_ms,
    calls.c.call_back,
    calls.c.caller_sealed,
    calls.c.wrapped_key,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls, newest first."""

    agent: str | None = None
    status: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class WholeCall:
    """One call as it rests: sealed parts are still sealed."""

    call: Row
    turns: list[Row]
    notes: list[Row]
    scores: list[Row]  # newest version first


def _newest_score() -> sa.ColumnElement[bool]:
    newest = scores.alias("newest")
    version = (
        sa.select(sa.func.max(newest.c.analysis_version))
        .where(newest.c.call_id == calls.c.call_id)
        .scalar_subquery()
    )
    return sa.and_(scores.c.call_id == calls.c.call_id, scores.c.analysis_version == version)


def _filtered(query: sa.Select[Any], wanted: Wanted) -> sa.Select[Any]:
    if wanted.agent is not None:
        query = query.where(calls.c.agent == wanted.agent)
    if wanted.status is not None:
        query = query.where(calls.c.status == wanted.status)
    if wanted.since_ms is not None:
        query = query.where(calls.c.started_at_ms >= wanted.since_ms)
    if wanted.until_ms is not None:
        query = query.where(calls.c.started_at_ms < wanted.until_ms)
    return query.limit(wanted.limit)


class Catalogue:
    """Reads only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def calls(self, wanted: Wanted) -> list[Row]:
        query = sa.select(*LISTED).select_from(calls.outerjoin(scores, _newest_score()))
        newest_first = query.order_by(calls.c.started_at_ms.desc(), calls.c.call_id.desc())
        return await self._rows(_filtered(newest_first, wanted))

    async def callbacks(self, wanted: Wanted) -> list[Row]:
        """Callers who were promised a call back, longest ago first; their numbers sealed."""
        query = sa.select(*CALLBACK).where(calls.c.call_back == "requested")
        oldest_first = query.order_by(calls.c.started_at_ms, calls.c.call_id)
        return await self._rows(_filtered(oldest_first, wanted))

    async def _rows(self, query: sa.Select[Any]) -> list[Row]:
        async with self._database.read() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]

    async def call(self, call_id: CallId) -> WholeCall | None:
        """By our name of the call or by the carrier's."""
        by_name = sa.or_(calls.c.call_id == call_id, calls.c.carrier_call_id == call_id)
        async with self._database.read() as connection:
            found = (await connection.execute(sa.select(calls).where(by_name))).mappings().first()
            if found is None:
                return None
            parts: dict[str, list[Row]] = {}
            for table, order in (
                (turns, turns.c.position),
                (notes, notes.c.position),
                (scores, scores.c.analysis_version.desc()),
            ):
                query = sa.select(table).where(table.c.call_id == found["call_id"]).order_by(order)
                rows = (await connection.execute(query)).mappings()
                parts[table.name] = [dict(row) for row in rows]
        return WholeCall(dict(found), parts["turns"], parts["notes"], parts["scores"])
