"""A journal while Redis is away, forgets or does not answer: no word lost, none doubled."""

import asyncio
import random
from typing import Any

import pytest

from callfleet import journal_writer
from callfleet.errors import CallEnded, SlotLost, StoreFault
from callfleet.journal import Journal
from callfleet.journal_entries import CallRecord, Note, Turn
from callfleet.journal_writer import CallJournal, JournalScripts
from tests.integration.call_desk import HUNG_UP, Snapshot, call, card, desk, noted, said, start
from tests.redis_server import RedisServer

ONE = call(1)


class Mute:
    """Redis does what it is told, and the answer is lost on the way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lose = self.asked = 0
        for name in ("append", "end", "open"):
            whole = getattr(JournalScripts, name)

            async def told(
                scripts: JournalScripts, *args: Any, whole: Any = whole, **more: Any
            ) -> Any:
                self.asked += 1
                answer = await whole(scripts, *args, **more)
                if self.lose:
                    self.lose -= 1
                    raise StoreFault("lost")
                return answer

            monkeypatch.setattr(JournalScripts, name, told)


async def test_words_wait_while_redis_is_away_and_arrive_in_order() -> None:
    with RedisServer(options={"appendonly": "yes", "appendfsync": "always"}) as server:
        async with desk(server.url, limit_s=0.5) as at:
            journal = await at.journal.open(start(ONE), 1)
            await journal.append(said(1))
            server.kill()
            for number in range(2, 6):
                await journal.append(said(number))
            assert journal.unsent == 4
            assert len(journal.entries) == 5
            with pytest.raises(StoreFault):
                await journal.flush()
            with pytest.raises(StoreFault):
                await journal.end(HUNG_UP, None)
            server.start()
            await journal.flush()
            assert journal.unsent == 0
            await journal.end(HUNG_UP, None)
            record = await at.journal.read(ONE)
            assert record == CallRecord(start(ONE), [said(n) for n in range(1, 6)], HUNG_UP)
            assert await at.journal.finished(5) == [ONE]


async def test_a_frozen_redis_is_not_asked_for_every_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_writer, "RETRY_AFTER_S", 3600.0)
    mute = Mute(monkeypatch)
    with RedisServer() as server:
        async with desk(server.url, limit_s=0.2) as at:
            journal = await at.journal.open(start(ONE), 1)
            server.freeze()
            mute.asked = 0
            for number in range(1, 50):
                await journal.append(said(number))
            assert (journal.unsent, mute.asked) == (49, 1)
            server.thaw()
            await journal.flush()
            record = await at.journal.read(ONE)
            assert record is not None and len(record.entries) == 49


async def test_a_promoted_replica_does_not_let_an_older_holder_write(redis_url: str) -> None:
    async with desk(redis_url) as at:
        old = await at.journal.open(start(ONE), 1)
        replica = Snapshot(at)
        await replica.take()
        new = await at.journal.open(start(ONE), 2)
        await new.append(said(1))
        await replica.promote()  # it knows the old token only
        await new.flush()
        with pytest.raises(SlotLost):
            await old.append(said(2))


async def test_a_redis_that_comes_back_empty_is_told_everything_again(redis_url: str) -> None:
    async with desk(redis_url) as at:
        await at.roster.announce(card("w1"))
        lease = await at.lease(ONE)
        journal = await at.journal.open(start(ONE), lease.token)
        for number in range(1, 4):
            await journal.append(said(number))
        await at.redis.flushall()
        await journal.append(said(4))
        record = await at.journal.read(ONE)
        assert record == CallRecord(start(ONE), [said(n) for n in range(1, 5)], None)
        await at.redis.flushall()
        await journal.end(HUNG_UP, lease)  # even when the end is all that is left to say
        record = await at.journal.read(ONE)
        assert record == CallRecord(start(ONE), [said(n) for n in range(1, 5)], HUNG_UP)


async def test_a_restored_journal_remembers_its_takeovers(redis_url: str) -> None:
    async with desk(redis_url) as at:
        await at.journal.open(start(ONE), 1)
        second = await at.journal.open(start(ONE), 2)
        await at.redis.flushall()
        await second.append(said(1))
        record = await at.journal.read(ONE)
        assert record is not None and record.takeovers == 1
        with pytest.raises(SlotLost):
            await at.journal.open(start(ONE), 1)


async def test_a_replica_that_knew_less_is_sent_what_it_lacks(redis_url: str) -> None:
    async with desk(redis_url) as at:
        journal = await at.journal.open(start(ONE), 1)
        await journal.append(said(1))
        replica = Snapshot(at)
        await replica.take()
        await journal.append(said(2))
        await journal.append(said(3))
        await replica.promote()
        await journal.append(said(4))
        record = await at.journal.read(ONE)
        assert record == CallRecord(start(ONE), [said(n) for n in range(1, 5)], None)
        await replica.promote()
        await journal.end(HUNG_UP, None)
        record = await at.journal.read(ONE)
        assert record == CallRecord(start(ONE), [said(n) for n in range(1, 5)], HUNG_UP)


async def test_lost_replies_double_nothing(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mute = Mute(monkeypatch)
    async with desk(redis_url, sessions=1) as at:
        lease = await at.lease(ONE)
        mute.lose = 1
        with pytest.raises(StoreFault):
            await at.journal.open(start(ONE), lease.token)
        journal = await at.journal.open(start(ONE), lease.token)
        assert journal.takeovers == 0
        mute.lose = 1
        await journal.append(said(1))
        assert journal.unsent == 1
        await journal.flush()
        await journal.append(said(2))
        mute.lose = 1
        with pytest.raises(StoreFault):
            await journal.end(HUNG_UP, lease)
        taken = await at.lease(call(2))  # the slot was given back, and somebody has it
        await journal.end(HUNG_UP, lease)
        record = await at.journal.read(ONE)
        assert record == CallRecord(start(ONE), [said(1), said(2)], HUNG_UP)
        assert await at.journal.finished(5) == [ONE]
        assert await at.slots.release(taken)


async def test_an_end_whose_reply_was_lost_is_known_even_after_it_was_recorded(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute = Mute(monkeypatch)
    async with desk(redis_url) as at:
        journal = await at.journal.open(start(ONE), 1)
        mute.lose = 1
        with pytest.raises(StoreFault):
            await journal.end(HUNG_UP, None)
        assert await at.journal.forget(ONE)
        await journal.end(HUNG_UP, None)
        assert await at.journal.finished(5) == [], "it is not recorded twice"


async def test_a_full_spool_keeps_the_beginning_and_tells_of_the_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal_writer, "SPOOL_BYTES", 1000)
    with RedisServer() as server:
        async with desk(server.url, limit_s=0.5) as at:
            journal = await at.journal.open(start(ONE), 1)
            server.kill()
            for number in range(1, 101):
                await journal.append(said(number))
            kept = journal.unsent
            assert 5 < kept < 20
            server.start()
            await journal.flush()
            await journal.append(said(101))
            await journal.end(HUNG_UP, None)
            record = await at.journal.read(ONE)
            assert record is not None
            gap = Note("journal_gap", said(101).started_ms, {"entries": 100 - kept})
            assert record.entries == [*(said(n) for n in range(1, kept + 1)), gap, said(101)]


async def test_a_cancelled_append_is_neither_lost_nor_doubled() -> None:
    with RedisServer(options={"appendonly": "yes"}) as server:
        async with desk(server.url, limit_s=5) as at:
            journal = await at.journal.open(start(ONE), 1)
            server.freeze()
            writing = asyncio.create_task(journal.append(said(1)))
            await asyncio.sleep(0.05)
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing
            server.thaw()
            await journal.append(said(2))
            record = await at.journal.read(ONE)
            assert record is not None and record.entries == [said(1), said(2)]


async def test_many_writers_of_one_journal_keep_their_order(redis_url: str) -> None:
    async with desk(redis_url) as at:
        journal = await at.journal.open(start(ONE), 1)
        await asyncio.gather(*(journal.append(said(number)) for number in range(200)))
        record = await at.journal.read(ONE)
        assert record is not None and record.entries == [said(number) for number in range(200)]


async def test_calls_do_not_see_each_other(redis_url: str) -> None:
    async with desk(redis_url) as at:
        journals = [await at.journal.open(start(call(n)), 1) for n in range(20)]
        await asyncio.gather(
            *(journal.append(noted(n)) for n, journal in enumerate(journals) for _ in range(5))
        )
        for n in range(20):
            record = await at.journal.read(call(n))
            assert record is not None and record.entries == [noted(n)] * 5


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_the_record_is_what_was_said(
    redis_url: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random lost replies, lost data, older replicas and takeovers; one truth in the end."""
    monkeypatch.setattr(journal_writer, "RETRY_AFTER_S", 0.0)
    chance, mute = random.Random(seed), Mute(monkeypatch)
    async with desk(redis_url) as at:
        replica, token = Snapshot(at), 1
        journal = await at.journal.open(start(ONE), token)
        expected: list[Turn] = []
        for number in range(60):
            expected.append(said(number))
            await journal.append(expected[-1])
            happening = chance.choice(("nothing", "lost", "empty", "copied", "promoted", "taken"))
            match happening:
                case "lost":
                    mute.lose = chance.randrange(3)
                case "empty":
                    await at.redis.flushall()
                case "copied":
                    await replica.take()
                case "promoted":
                    await replica.promote()
                case "taken":
                    journal, token = await _taken(at.journal, journal, token), token + 1
        await _ended(journal)
        record = await at.journal.read(ONE)
        assert record is not None
        assert (record.entries, record.damage, record.end) == (expected, [], HUNG_UP)
        assert await at.journal.finished(5) == [ONE]
        with pytest.raises(CallEnded):
            await at.journal.open(start(ONE), token + 1)


async def _taken(journals: Journal, journal: CallJournal, token: int) -> CallJournal:
    """Another worker goes on, once all that was said has arrived."""
    for _ in range(5):
        try:
            await journal.flush()  # what Redis lost is known only to its holder
            return await journals.open(start(ONE), token + 1)
        except StoreFault:
            continue
    raise AssertionError("nothing gets through")


async def _ended(journal: CallJournal) -> None:
    for _ in range(5):
        try:
            await journal.end(HUNG_UP, None)
        except StoreFault:
            continue
        return
    raise AssertionError("it never ends")
