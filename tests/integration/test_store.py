"""The store: a call is recorded once, claimed by one, finished by its holder, or ends as dead."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from callfleet.calls import CallId
from callfleet.errors import StoreFault
from services.analytics import rows
from services.analytics.database import Database
from services.analytics.schema import calls, notes, scores, turns
from services.analytics.scoring import NotScorable, read_answer
from services.analytics.store import Claim, Store
from tests.analytics_scene import answer, ended_call, key_ring, migrated

LEASE_MS = 1_000


async def record(store: Store, number: int = 1, now_ms: int = 0) -> CallId:
    call, turn_rows, note_rows = rows.call_rows(
        ended_call(number), key_ring(), vertical="", secret="s" * 16, now_ms=now_ms, score=True
    )
    await store.record(call, turn_rows, note_rows)
    return CallId(call["call_id"])


async def claim(store: Store, call_id: CallId, now_ms: int, attempts_max: int = 9) -> Claim | None:
    return await store.claim(call_id, now_ms=now_ms, lease_ms=LEASE_MS, attempts_max=attempts_max)


def judged(call_id: CallId, **changes: Any) -> rows.Row:
    key = key_ring().new_call_key(call_id)[0]
    verdict = read_answer(answer(**changes), 4)
    return rows.score_row(verdict, key, reply=None, now_ms=7)


async def count(database: Database, table: sa.Table) -> int:
    async with database.read() as connection:
        return int(
            (await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one()
        )


async def call_row(database: Database, call_id: CallId) -> Any:
    async with database.read() as connection:
        return (await connection.execute(sa.select(calls).where(calls.c.call_id == call_id))).one()


async def test_recording_twice_at_once_records_once(database_url: str) -> None:
    async with migrated(database_url) as database:
        store = Store(database)
        await asyncio.gather(*(record(store) for _ in range(8)))
        assert await count(database, calls) == 1
        assert await count(database, turns) == 4
        assert await count(database, notes) == 1


async def test_a_call_that_cannot_be_recorded_whole_is_not_recorded_at_all(
    database_url: str,
) -> None:
    async with migrated(database_url) as database:
        call, turn_rows, note_rows = rows.call_rows(
            ended_call(), key_ring(), vertical="", secret="s" * 16, now_ms=0, score=True
        )
        broken = [*note_rows, *note_rows]  # the same place twice
        with pytest.raises(StoreFault):
            await Store(database).record(call, turn_rows, broken)
        assert await count(database, calls) == await count(database, turns) == 0


async def test_of_many_who_claim_a_call_one_gets_it(database_url: str) -> None:
    async with migrated(database_url) as database:
        store = Store(database)
        call_id = await record(store)
        claims = await asyncio.gather(*(claim(store, call_id, 10) for _ in range(8)))
        (won,) = [one for one in claims if one is not None]
        assert won.attempt == 1
        assert (await call_row(database, call_id)).status == "scoring"


async def test_finishing_writes_score_and_status_together(database_url: str) -> None:
    async with migrated(database_url) as database:
        store = Store(database)
        call_id = await record(store)
        won = await claim(store, call_id, 10)
        assert won is not None
        assert await store.finish(won, judged(call_id))
        row = await call_row(database, call_id)
        assert (row.status, row.next_try_at_ms, row.lease) == ("scored", None, None)
        assert not await store.finish(won, judged(call_id)), "a claim ends once"
        assert await claim(store, call_id, 10**9) is None
        assert await count(database, scores) == 1


async def test_a_lease_that_ran_out_is_somebody_else_s_and_its_holder_writes_nothing(
    database_url: str,
) -> None:
    async with migrated(database_url) as database:
        store = Store(database)
        call_id = await record(store)
        slow = await claim(store, call_id, 10)
        assert slow is not None
        assert await claim(store, call_id, 10 + LEASE_MS - 1) is None
        quick = await claim(store, call_id, 10 + LEASE_MS)
        assert quick is not None and quick.attempt == 2
        assert not await store.finish(slow, judged(call_id, lead_score=1))
        assert not await store.fail(slow, "late", next_try_at_ms=None)
        assert not await store.give_back(slow, now_ms=0)
        assert await store.finish(quick, judged(call_id, lead_score=2))
        async with database.read() as connection:
            assert (await connection.execute(sa.select(scores.c.lead_score))).scalars().all() == [2]


async def test_a_failed_attempt_waits_and_the_last_one_is_dead(database_url: str) -> None:
    async with migrated(database_url) as database:
        store = Store(database)
        call_id = await record(store)
        first = await claim(store, call_id, 10)
        assert first is not None
        assert await store.fail(first, "HTTP 500" + "!" * 9_999, next_try_at_ms=500)
        assert [due.attempts for due in await store.due(now_ms=500, limit=9)] == [1]
        assert await store.due(now_ms=499, limit=9) == []
        assert await claim(store, call_id, 499) is None
        row = await call_row(database, call_id)
        assert row.status == "recorded" and row.last_error.startswith("HTTP 500")
        second = await claim(store, call_id, 500)
        assert second is not None and second.attempt == 2
        assert await store.fail(second, "HTTP 503", next_try_at_ms=None)
        assert (await call_row(database, call_id)).status == "dead"
        assert await store.due(now_ms=10**12, limit=9) == []


async def test_a_call_that_kills_its_worker_each_time_ends_as_a_dead_letter(
    database_url: str,
) -> None:
    async with migrated(database_url) as database:
        store = Store(database)
        call_id = await record(store)
        for attempt in range(3):
            assert await claim(store, call_id, 10 + attempt * LEASE_MS, attempts_max=3)
        assert await claim(store, call_id, 10 + 3 * LEASE_MS, attempts_max=3) is None
        row = await call_row(database, call_id)
        assert (row.status, row.attempts) == ("dead", 3)
        assert row.last_error == "each attempt ended with its worker"


async def test_an_attempt_given_back_does_not_count(database_url: str) -> None:
    async with migrated(database_url) as database:
        store = Store(database)
        call_id = await record(store)
        for _ in range(5):
            won = await claim(store, call_id, 10, attempts_max=1)
            assert won is not None and won.attempt == 1
            assert await store.give_back(won, now_ms=10)


async def test_scoring_again_in_one_version_replaces_the_score(database_url: str) -> None:
    async with migrated(database_url) as database:
        store = Store(database)
        call_id = await record(store)
        empty = rows.score_row(
            NotScorable("refused"), key_ring().new_call_key(call_id)[0], reply=None, now_ms=1
        )
        for score in (empty, judged(call_id)):
            async with database.write() as connection:
                await connection.execute(
                    sa.update(calls).values(status="recorded", next_try_at_ms=0)
                )
            won = await claim(store, call_id, 1)
            assert won is not None and await store.finish(won, score)
        assert await count(database, scores) == 1
        async with database.read() as connection:
            row = (await connection.execute(sa.select(scores))).one()
        assert (row.scorable, row.why_not, row.lead_score) == (True, None, 80)
        assert row.reasons == [{"signal": "asked_to_book", "turns": [2]}]


async def test_open_work_is_counted_with_its_age(database_url: str) -> None:
    async with migrated(database_url) as database:
        store = Store(database)
        first, second = await record(store, 1), await record(store, 2)
        ended = (await call_row(database, first)).ended_at_ms
        won = await claim(store, second, 10)
        assert won is not None
        work = {
            one.status: (one.count, one.oldest_ms)
            for one in await store.open_work(now_ms=ended + 50)
        }
        assert work == {"recorded": (1, 50), "scoring": (1, 49)}
        assert await store.fail(won, "no", next_try_at_ms=None)
        assert {one.status for one in await store.open_work(now_ms=ended)} == {"recorded", "dead"}


async def test_readers_never_wait_for_a_writer(database_url: str) -> None:
    async with migrated(database_url) as database:
        store = Store(database)
        call_id = await record(store)
        async with database.write() as connection:
            await connection.execute(sa.update(calls).values(agent="unseen"))
            assert (await call_row(database, call_id)).agent == "clinic"


async def test_many_writers_queue_instead_of_failing(database_url: str) -> None:
    """Several processes on one file: each has a pool of its own."""
    async with migrated(database_url) as database:
        others = [Database(database_url) for _ in range(4)]
        try:
            async with asyncio.TaskGroup() as group:
                for index, other in enumerate(others):
                    for number in range(10):
                        group.create_task(record(Store(other), index * 10 + number))
        finally:
            for other in others:
                await other.close()
        assert await count(database, calls) == 40
