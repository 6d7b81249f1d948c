"""Recording and scoring, killed between any two steps, failing in every way: each call once."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from callfleet.calls import CallId
from callfleet.errors import KeyMissing, ModelFault, ModelRefused, StoreFault
from callfleet.journal_entries import CallRecord
from services.analytics import jobs
from services.analytics.database import Database
from services.analytics.jobs import AgentFacts, Recorder, Scorer
from services.analytics.limits import Limits
from services.analytics.metrics import Outcome
from services.analytics.schema import calls, notes, scores, turns
from services.analytics.store import Store
from tests.analytics_fate import Fate, Killed, Mortal, doom
from tests.analytics_scene import (
    Journals,
    Model,
    answer,
    call_id,
    ended_call,
    key_ring,
    migrated,
    turn,
)
from tests.postgres_server import PostgresServer

LEASE_MS = int(Limits().lease_s * 1000)


def recorder(journals: Any, store: Any, **facts: AgentFacts) -> Recorder:
    return Recorder(journals, store, key_ring(), secret="s" * 16, agents=facts)


def scorer(store: Any, model: Any, *, now_ms: int | None = None, attempts_max: int = 3) -> Scorer:
    moment = jobs.now_ms() if now_ms is None else now_ms
    return Scorer(
        store, key_ring(), model, attempts_max=attempts_max, backoff_s=10.0,
        clock_ms=lambda: moment, chance=lambda: 1.0,
    )  # fmt: skip


async def recorded(database: Database, record: CallRecord | None = None) -> CallId:
    journals = Journals()
    name = journals.add(record or ended_call())
    assert await recorder(journals, Store(database)).record(name) is Outcome.DONE
    return name


async def only_row(database: Database, table: sa.Table, name: CallId) -> Any:
    async with database.read() as connection:
        return (await connection.execute(sa.select(table).where(table.c.call_id == name))).one()


async def count(database: Database, table: sa.Table, name: CallId) -> int:
    query = sa.select(sa.func.count()).select_from(table).where(table.c.call_id == name)
    async with database.read() as connection:
        return int((await connection.execute(query)).scalar_one())


async def test_recording_killed_at_each_step_records_once(database_url: str) -> None:
    async with migrated(database_url) as database:
        at, killed = 0, True
        while killed:
            at += 1
            journals = Journals()
            name = journals.add(ended_call(at))
            fate, dying = Fate(at), Database(database_url)
            doom(dying, fate)
            try:
                await recorder(Mortal(journals, fate), Mortal(Store(dying), fate)).record(name)
                killed = False
            except Killed:
                pass
            finally:
                await dying.close()
            if journals.records:  # the journal goes only after the database has it
                await recorder(journals, Store(database)).record(name)
            assert name in journals.forgotten
            assert await count(database, calls, name) == 1
            assert (await count(database, turns, name), await count(database, notes, name)) == (
                4,
                1,
            )
        assert at > 8, "the steps were really counted"


async def test_scoring_killed_at_each_step_scores_once(database_url: str) -> None:
    async with migrated(database_url) as database:
        at, killed = 0, True
        while killed:
            at += 1
            name = await recorded(database, ended_call(at))
            fate, dying, model = Fate(at), Database(database_url), Model()
            doom(dying, fate)
            mortal = scorer(Mortal(Store(dying), fate), Mortal(model, fate))
            try:
                assert await mortal.score(name) is Outcome.DONE
                killed = False
            except Killed:
                pass
            finally:
                await dying.close()
            later = jobs.now_ms() + LEASE_MS + 1
            await scorer(Store(database), model, now_ms=later).score(name)
            assert (await only_row(database, calls, name)).status == "scored"
            assert await count(database, scores, name) == 1
            assert len(model.asked) <= 2
        assert at > 10, "the steps were really counted"


async def test_jobs_that_run_twice_at_once_do_their_work_once(database_url: str) -> None:
    async with migrated(database_url) as database:
        journals, model = Journals(), Model()
        name = journals.add(ended_call())
        twins = [recorder(journals, Store(database)) for _ in range(2)]
        outcomes = await asyncio.gather(*(twin.record(name) for twin in twins))
        assert sorted(outcomes) == [Outcome.DONE, Outcome.REPEATED]
        both = [scorer(Store(database), model) for _ in range(2)]
        outcomes = await asyncio.gather(*(one.score(name) for one in both))
        assert sorted(outcomes) == [Outcome.DONE, Outcome.REPEATED]
        assert len(model.asked) == 1


async def test_what_is_recorded_and_asked_is_what_was_said(database_url: str) -> None:
    async with migrated(database_url) as database:
        model = Model()
        journals = Journals()
        name = journals.add(ended_call())
        facts = AgentFacts(vertical="healthcare")
        await recorder(journals, Store(database), clinic=facts).record(name)
        await scorer(Store(database), model).score(name)
        (question,) = model.asked
        assert '"vertical":"healthcare"' in question.document
        for spoken in ended_call().turns:
            assert spoken.text in question.document
        score = await only_row(database, scores, name)
        assert (score.sentiment, score.intent, score.lead_score) == ("positive", "book", 80)
        assert (score.model, score.asked_model) == ("gpt-4o-mini-2024-07-18", "gpt-4o-mini")
        assert score.cost_micro_usd == 210


async def test_an_empty_call_is_not_scorable_and_nobody_is_asked(database_url: str) -> None:
    async with migrated(database_url) as database:
        model = Model()
        name = await recorded(database, ended_call(1, [turn("agent", "Hello?", 0)]))
        assert await scorer(Store(database), model).score(name) is Outcome.NOT_SCORABLE
        assert model.asked == []
        assert (await only_row(database, calls, name)).status == "not_scorable"
        score = await only_row(database, scores, name)
        assert (score.why_not, score.lead_score, score.model) == ("nothing_said", None, None)


async def test_a_refusal_is_not_scorable(database_url: str) -> None:
    def refuse(_asked: int) -> str:
        raise ModelRefused

    async with migrated(database_url) as database:
        name = await recorded(database)
        assert await scorer(Store(database), Model(refuse)).score(name) is Outcome.NOT_SCORABLE
        assert (await only_row(database, scores, name)).why_not == "refused"


async def test_failures_wait_longer_each_time_and_end_as_a_dead_letter(database_url: str) -> None:
    def fail(asked: int) -> str:
        if asked == 2:
            raise ModelFault("HTTP 429", retry_after_s=100.0)
        return answer(lead_score=900) if asked == 1 else "{"

    async with migrated(database_url) as database:
        name = await recorded(database)
        store, model, now = Store(database), Model(fail), jobs.now_ms()
        waits, outcomes = [], []
        for _ in range(3):
            outcomes.append(await scorer(store, model, now_ms=now).score(name))
            row = await only_row(database, calls, name)
            waits.append(row.next_try_at_ms and (row.next_try_at_ms - now) / 1000)
            now = row.next_try_at_ms or now
        assert outcomes == [Outcome.FAILED, Outcome.FAILED, Outcome.DEAD]
        assert waits == [10.0, 110.0, None], "the API's hint is kept, with chance on top"
        assert row.status == "dead" and "JSON" in row.last_error
        assert await count(database, scores, name) == 0


async def test_leaving_gives_the_claim_back(database_url: str) -> None:
    async with migrated(database_url) as database:
        name = await recorded(database)
        asked = asyncio.Event()

        class Slow(Model):
            async def ask(self, question: Any) -> Any:
                asked.set()
                await asyncio.Event().wait()

        job = asyncio.create_task(scorer(Store(database), Slow()).score(name))
        await asked.wait()
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        row = await only_row(database, calls, name)
        assert (row.status, row.attempts) == ("recorded", 0)
        assert await scorer(Store(database), Model()).score(name) is Outcome.DONE


async def test_a_cancellation_nobody_asked_for_is_a_failed_attempt(database_url: str) -> None:
    class Confused(Model):
        async def ask(self, question: Any) -> Any:
            raise asyncio.CancelledError

    async with migrated(database_url) as database:
        name = await recorded(database)
        assert await scorer(Store(database), Confused()).score(name) is Outcome.FAILED
        assert (await only_row(database, calls, name)).attempts == 1


async def test_a_journal_that_cannot_be_read_rests_and_keeps_nobody_from_work(
    database_url: str,
) -> None:
    class Locked(Journals):
        async def read(self, name: CallId) -> CallRecord | None:
            if name == call_id(1):
                raise KeyMissing
            return await super().read(name)

    async with migrated(database_url) as database:
        journals = Locked()
        locked, fine = journals.add(ended_call(1)), journals.add(ended_call(2))
        one = recorder(journals, Store(database))
        assert await one.record(locked) is Outcome.FAILED
        assert one.rests(locked) and one.troubled == 1
        assert await one.record(fine) is Outcome.DONE
        assert locked in journals.records, "never forgotten before it is recorded"


async def test_an_agent_without_analysis_is_recorded_and_never_scored(database_url: str) -> None:
    async with migrated(database_url) as database:
        journals = Journals()
        name = journals.add(ended_call())
        await recorder(journals, Store(database), clinic=AgentFacts(analysed=False)).record(name)
        assert await Store(database).due(now_ms=10**15, limit=9) == []
        assert await scorer(Store(database), Model()).score(name) is Outcome.REPEATED


async def test_a_database_that_goes_away_and_comes_back() -> None:
    with PostgresServer.fresh() as server:
        async with migrated(server.new_database()) as database:
            journals, model, store = Journals(), Model(), Store(database)
            first, second = journals.add(ended_call(1)), journals.add(ended_call(2))
            one = recorder(journals, store)
            assert await one.record(first) is Outcome.DONE
            server.kill()
            assert await one.record(second) is Outcome.FAILED
            assert not one.rests(second), "no call is at fault when the database is away"
            assert await scorer(store, model).score(first) is Outcome.FAILED
            with pytest.raises(StoreFault):
                await database.ping()
            server.start()
            assert await one.record(second) is Outcome.DONE
            for name in (first, second):
                assert await scorer(store, model).score(name) is Outcome.DONE
                assert await count(database, scores, name) == 1
