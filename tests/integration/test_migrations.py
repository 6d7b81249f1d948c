"""Migrations: there and back with data, many at once, and equal to the tables in `schema.py`."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from callfleet.errors import ConfigFault, StoreFault
from services.analytics.database import Database
from services.analytics.database import database_url as parsed_url
from services.analytics.rows import call_rows
from services.analytics.schema import calls, metadata, scores
from services.analytics.store import Store
from tests.analytics_scene import ended_call, key_ring, migrated

VIEWS = ("call_scores", "daily_agent_scores")


async def record(database: Database, number: int = 1) -> str:
    call, turns, notes = call_rows(
        ended_call(number), key_ring(), vertical="health", secret="s" * 16, now_ms=1, score=True
    )
    assert await Store(database).record(call, turns, notes)
    return str(call["call_id"])


async def rows_of(database: Database, query: str) -> list[Any]:
    async with database.read() as connection:
        return list((await connection.execute(sa.text(query))).all())


async def test_what_migrations_build_is_what_the_code_speaks_of(database_url: str) -> None:
    def differences(connection: sa.Connection) -> list[Any]:
        # SQLite gives defaults back in another spelling.
        options = {"compare_server_default": connection.dialect.name != "sqlite"}
        context = MigrationContext.configure(connection, opts=options)
        return [*compare_metadata(context, metadata), *missing_checks(connection)]

    def missing_checks(connection: sa.Connection) -> list[str]:
        wanted = {
            str(check.name)
            for table in metadata.tables.values()
            for check in table.constraints
            if isinstance(check, sa.CheckConstraint)
        }
        there = sa.inspect(connection)
        found = {c["name"] for table in metadata.tables for c in there.get_check_constraints(table)}
        return sorted(wanted - {str(name) for name in found})

    async with migrated(database_url) as database, database.read() as connection:
        assert await connection.run_sync(differences) == []


async def test_back_and_forth_with_data_in_it(database_url: str) -> None:
    async with migrated(database_url) as database:
        call_id = await record(database)
        await database.migrate("-2")  # what later columns hold goes, the rest stays
        for view in VIEWS:
            assert len(await rows_of(database, f"SELECT * FROM {view}")) == 1
        with pytest.raises(StoreFault):
            await rows_of(database, "SELECT session_cost_micro_usd FROM calls")
        await database.migrate("-1")  # the views go, the data stays
        with pytest.raises(StoreFault):
            await rows_of(database, "SELECT * FROM call_scores")
        assert await rows_of(database, "SELECT call_id FROM calls") == [(call_id,)]
        await database.migrate()
        for view in VIEWS:
            assert len(await rows_of(database, f"SELECT * FROM {view}")) == 1
        await database.migrate("base")
        with pytest.raises(StoreFault):
            await rows_of(database, "SELECT * FROM calls")
        await database.migrate()
        assert await rows_of(database, "SELECT call_id FROM calls") == []


async def test_processes_that_start_together_migrate_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(4)]
    try:
        await asyncio.gather(*(database.migrate() for database in databases))
        assert await databases[0].revision() == "0004"
    finally:
        for database in databases:
            await database.close()


async def test_a_database_nobody_migrated_says_so(database_url: str) -> None:
    database = Database(database_url)
    try:
        assert await database.revision() is None
    finally:
        await database.close()


async def test_views_show_the_newest_score_and_count_days(database_url: str) -> None:
    async with migrated(database_url) as database:
        call_id = await record(database)
        await record(database, 2)
        judged = {
            "call_id": call_id, "scorable": True, "sentiment": "negative", "sentiment_value": -0.5,
            "intent": "complaint", "lead_score": 10, "cost_micro_usd": 200,
        }  # fmt: skip
        async with database.write() as connection:
            old = judged | {"analysis_version": 1, "lead_score": 99}
            await connection.execute(sa.insert(scores), [old, judged | {"analysis_version": 2}])
        query = "SELECT call_id, lead_score, duration_s FROM call_scores ORDER BY call_id"
        seen = [(one, score, float(s)) for one, score, s in await rows_of(database, query)]
        assert [(one == call_id, score, s) for one, score, s in seen] == [
            (True, 10, 6.5),
            (False, None, 6.5),
        ]
        query = "SELECT agent, calls, scored, negative, cost_micro_usd FROM daily_agent_scores"
        (day,) = await rows_of(database, query)
        assert (day[0], *map(int, day[1:])) == ("clinic", 2, 1, 1, 200)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sentiment_value": 1.5},
        {"lead_score": 101},
        {"lead_score": -1},
        {"sentiment": "furious"},
        {"intent": None},  # scorable, yet incomplete
        {"why_not": "refused"},  # scored, yet not
    ],
)
async def test_the_database_itself_refuses_impossible_scores(
    database_url: str, wrong: dict[str, Any]
) -> None:
    async with migrated(database_url) as database:
        call_id = await record(database)
        judged = {
            "call_id": call_id, "analysis_version": 1, "scorable": True, "sentiment": "neutral",
            "sentiment_value": 0.0, "intent": "other", "lead_score": 0,
        }  # fmt: skip
        with pytest.raises(StoreFault, match=r"Integrity|CheckViolation"):
            async with database.write() as connection:
                await connection.execute(sa.insert(scores).values(**judged | wrong))


async def test_deleting_a_call_takes_everything_of_it(database_url: str) -> None:
    async with migrated(database_url) as database:
        await record(database)
        async with database.write() as connection:
            await connection.execute(sa.delete(calls))
        for table in ("turns", "notes", "scores"):
            assert await rows_of(database, f"SELECT * FROM {table}") == []


async def test_every_column_is_explained() -> None:
    silent = [
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if not column.comment
    ]
    assert silent == []


def test_urls_get_the_async_driver() -> None:
    url = parsed_url("postgres://u:p@h/db?sslmode=require")
    assert url.render_as_string(hide_password=False) == "postgresql+asyncpg://u:p@h/db?ssl=require"
    assert str(parsed_url("sqlite:///x.db")) == "sqlite+aiosqlite:///x.db"
    for wrong in ("mysql://h/db", "no url"):
        with pytest.raises(ConfigFault, match="DATABASE_URL"):
            parsed_url(wrong)
