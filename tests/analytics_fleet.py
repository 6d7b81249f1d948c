"""Around a running analytics worker: who ends calls before it, and who looks what came of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import sqlalchemy as sa

from callfleet.calls import CallId
from callfleet.handover import Handover
from callfleet.journal import Journal
from callfleet.service import redis_pool
from services.analytics.database import Database
from services.analytics.schema import calls, scores, turns
from tests.analytics_scene import ended_call, key_ring

CONFIG = """
orgs:
  main: {sessions: 10}
agents:
  clinic: {vertical: healthcare, instructions: Be kind.}
"""


async def end_calls(
    redis_url: str, numbers: range, *, triggered: Callable[[int], bool] = lambda _n: True
) -> list[CallId]:
    """As workers do it: journals are written, ended, and, unless it is lost, handed over."""
    redis = redis_pool(redis_url)
    names = []
    for number in numbers:
        record = ended_call(number)
        trigger = Handover(redis) if triggered(number) else None
        journal = await Journal(redis, key_ring(), trigger=trigger).open(record.start, 1)
        for entry in record.entries:
            await journal.append(entry)
        assert record.end is not None
        await journal.end(record.end, None)
        names.append(record.call_id)
    await redis.aclose()
    return names


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    while not await true():  # noqa: ASYNC110 # what it looks at is in another process or a table
        await asyncio.sleep(0.1)


class Watcher:
    """Looks into the database behind the worker's back."""

    def __init__(self, database_url: str) -> None:
        self.database = Database(database_url)

    async def statuses(self) -> dict[str, str]:
        async with self.database.read() as connection:
            found = await connection.execute(sa.select(calls.c.call_id, calls.c.status))
            return {name: status for name, status in found}

    async def all_scored(self, names: list[CallId]) -> bool:
        return await self.statuses() == dict.fromkeys(names, "scored")

    async def counts(self) -> list[int]:
        found = []
        async with self.database.read() as connection:
            for table in (calls, turns, scores):
                query = sa.select(sa.func.count()).select_from(table)
                found.append(int((await connection.execute(query)).scalar_one()))
        return found


@asynccontextmanager
async def watching(database_url: str) -> AsyncIterator[Watcher]:
    watcher = Watcher(database_url)
    try:
        await watcher.database.migrate()
        yield watcher
    finally:
        await watcher.database.close()
