"""The journal against a real Redis: fenced, sealed, numbered, ended once and handed over."""

import asyncio

import pytest

from callfleet.calls import CallId, EndReason
from callfleet.encryption import KeyRing, new_key
from callfleet.errors import CallEnded, KeyMissing, SealBroken, SlotLost
from callfleet.journal_entries import CallEnd, CallRecord, Damage, Note, Usage
from tests.integration.call_desk import AGENT, HUNG_UP, ORG, call, card, desk, noted, said, start

ONE = call(1)


async def test_a_call_is_written_ended_recorded_and_forgotten(redis_url: str) -> None:
    async with desk(redis_url) as at:
        assert await at.journal.read(ONE) is None
        journal = await at.journal.open(start(ONE), 1)
        for entry in (said(1), noted(2), said(3)):
            await journal.append(entry)
        open_record = await at.journal.read(ONE)
        assert open_record == CallRecord(start(ONE), [said(1), noted(2), said(3)], None)
        assert await at.journal.ended(ONE) is None
        assert await at.journal.finished(10) == []

        end = CallEnd(EndReason.AGENT_HUNG_UP, 5, Usage("gpt-realtime-2.1", 3, 10, 20), "bye")
        await journal.end(end, None)
        record = await at.journal.read(ONE)
        assert record == CallRecord(start(ONE), [said(1), noted(2), said(3)], end)
        assert await at.journal.ended(ONE) is EndReason.AGENT_HUNG_UP
        assert await at.journal.finished(10) == [ONE]

        assert await at.journal.forget(ONE)
        assert await at.journal.read(ONE) is None
        assert await at.journal.finished(10) == []
        assert await at.journal.ended(ONE) is EndReason.AGENT_HUNG_UP  # the carrier may still ask
        assert not await at.journal.forget(ONE)
        left = await at.redis.keys("callfleet:journal:*")
        assert left == [f"callfleet:journal:{{{ONE}}}:ended".encode()]


async def test_only_finished_calls_can_be_forgotten(redis_url: str) -> None:
    async with desk(redis_url) as at:
        journal = await at.journal.open(start(ONE), 1)
        await journal.append(said(1))
        assert not await at.journal.forget(ONE)
        record = await at.journal.read(ONE)
        assert record is not None and record.entries == [said(1)]


async def test_nothing_said_is_readable_in_redis(redis_url: str) -> None:
    async with desk(redis_url) as at:
        journal = await at.journal.open(start(ONE), 1)
        await journal.append(said(1, "my card number is four two four two"))
        await journal.end(HUNG_UP, None)
        held = b""
        for key in await at.redis.keys("callfleet:journal:*"):
            held += await at.redis.dump(key) or b""
        assert b"entries" not in held and b"four two" not in held
        assert b"5557654321" not in held, "the caller's number is sealed as well"


async def test_who_takes_over_reads_all_and_the_old_holder_writes_nothing_more(
    redis_url: str,
) -> None:
    async with desk(redis_url) as at:
        old = await at.journal.open(start(ONE), 1)
        await old.append(said(1))
        new = await at.journal.open(start(ONE), 2)
        assert (new.entries, new.takeovers, old.takeovers) == ([said(1)], 1, 0)
        with pytest.raises(SlotLost):
            await old.append(said(2, "a ghost speaks"))
        with pytest.raises(SlotLost):
            await old.append(said(3))  # once told, it does not ask again
        with pytest.raises(SlotLost):
            await old.end(HUNG_UP, None)
        with pytest.raises(SlotLost):
            await at.journal.open(start(ONE), 1)
        await new.append(said(4))
        again = await at.journal.open(start(ONE), 2)  # the reply was lost: no takeover
        assert (again.entries, again.takeovers) == ([said(1), said(4)], 1)
        await new.end(HUNG_UP, None)
        record = await at.journal.read(ONE)
        assert record == CallRecord(start(ONE), [said(1), said(4)], HUNG_UP, [], 1)


async def test_after_the_end_nobody_writes(redis_url: str) -> None:
    async with desk(redis_url) as at:
        first = await at.journal.open(start(ONE), 1)
        await first.end(HUNG_UP, None)
        await first.end(HUNG_UP, None)
        with pytest.raises(CallEnded):
            await first.append(said(1))
        with pytest.raises(CallEnded):
            await at.journal.open(start(ONE), 2)
        await at.journal.forget(ONE)
        with pytest.raises(CallEnded):  # and does not raise the dead
            await at.journal.open(start(ONE), 3)


async def test_the_end_releases_the_slot_and_drops_the_route_in_one_step(redis_url: str) -> None:
    async with desk(redis_url, sessions=1) as at:
        await at.roster.announce(card("w1"))
        await at.lease(ONE)
        await at.roster.place(ONE)
        lease = await at.slots.adopt(ORG, AGENT, ONE, holder="worker:w1")
        journal = await at.journal.open(start(ONE), lease.token)
        waiting = await at.slots.acquire(ORG, AGENT, call(2), holder="gateway:1", wait=True)
        await journal.end(HUNG_UP, lease)
        assert await at.roster.route(ONE) is None
        assert not await at.slots.release(lease)
        usage = await at.slots.usage(ORG)
        assert (usage.live, usage.waiting) == (1, 0), f"handed on to {waiting}"


async def test_ending_again_after_a_lost_reply_changes_nothing(redis_url: str) -> None:
    """Two objects with one token: what a retry looks like to Redis."""
    async with desk(redis_url, sessions=1) as at:
        lease = await at.lease(ONE)
        first = await at.journal.open(start(ONE), lease.token)
        twin = await at.journal.open(start(ONE), lease.token)
        await first.end(HUNG_UP, lease)
        next_lease = await at.lease(call(2))
        await twin.end(CallEnd(EndReason.INTERNAL_ERROR, 9), lease)
        assert await at.journal.finished(10) == [ONE]
        assert await at.journal.ended(ONE) is EndReason.CALLER_HUNG_UP
        assert (await at.slots.usage(ORG)).live == 1
        assert await at.slots.release(next_lease)


async def test_an_adopted_call_is_not_ended_by_who_had_it_before(redis_url: str) -> None:
    """Between adopting the slot and opening the journal only the slot knows the new owner."""
    async with desk(redis_url) as at:
        await at.roster.announce(card("w2"))
        lease = await at.lease(ONE)
        old = await at.journal.open(start(ONE), lease.token)
        adopted = await at.slots.adopt(ORG, AGENT, ONE, holder="worker:w2")
        await at.roster.place(ONE)
        with pytest.raises(SlotLost):
            await old.end(CallEnd(EndReason.LEG_LOST, 9), lease)
        assert await at.journal.ended(ONE) is None
        assert await at.roster.route(ONE) is not None
        new = await at.journal.open(start(ONE), adopted.token)
        await new.end(HUNG_UP, adopted)
        assert (await at.slots.usage(ORG)).live == 0


async def test_a_call_that_never_had_a_slot_is_recorded_too(redis_url: str) -> None:
    async with desk(redis_url) as at:
        journal = await at.journal.open(start(ONE), 0)
        await journal.end(CallEnd(EndReason.NO_SLOT, 7), None)
        record = await at.journal.read(ONE)
        assert record is not None and record.end == CallEnd(EndReason.NO_SLOT, 7)
        assert (record.entries, record.takeovers) == ([], 0)


async def test_finished_calls_come_oldest_first_and_no_more_than_asked(redis_url: str) -> None:
    async with desk(redis_url) as at:
        for number in (3, 1, 2):
            journal = await at.journal.open(start(call(number)), 1)
            await journal.end(HUNG_UP, None)
            await asyncio.sleep(0.002)  # the list is in order of the server's milliseconds
        assert await at.journal.finished(2) == [call(3), call(1)]


async def test_analytics_is_told_once_the_end_is_written(redis_url: str) -> None:
    told: list[CallId] = []

    class Told:
        async def finished(self, call_id: CallId) -> None:
            assert await at.journal.finished(1) == [call_id]
            told.append(call_id)

    async with desk(redis_url, trigger=Told()) as at:
        journal = await at.journal.open(start(ONE), 1)
        await journal.end(HUNG_UP, None)
        await journal.end(HUNG_UP, None)
    assert told == [ONE]


async def test_damaged_entries_are_named_and_the_others_read(redis_url: str) -> None:
    async with desk(redis_url) as at:
        journal = await at.journal.open(start(ONE), 1)
        for number in range(1, 6):
            await journal.append(said(number))
        await journal.end(HUNG_UP, None)
        stream = f"callfleet:journal:{{{ONE}}}:entries"
        held = await at.redis.xrange(stream)
        await at.redis.delete(stream)
        swapped = [held[1][1], held[0][1], held[2][1], {b"e": held[3][1][b"e"][:-1] + b"!"}]
        for number, fields in enumerate(swapped, 1):  # the fifth is cut off
            await at.redis.xadd(stream, dict(fields), id=f"{number}-0")
        record = await at.journal.read(ONE)
        assert record is not None
        assert record.entries == [said(3)]
        assert record.damage == [
            Damage(1, "unreadable"),
            Damage(2, "unreadable"),
            Damage(4, "unreadable"),
            Damage(5, "missing"),
        ]
        assert record.end == HUNG_UP


async def test_a_damaged_end_still_tells_how_and_a_damaged_start_is_an_error(
    redis_url: str,
) -> None:
    async with desk(redis_url) as at:
        journal = await at.journal.open(start(ONE), 1)
        await journal.append(said(1))
        await journal.end(HUNG_UP, None)
        meta = f"callfleet:journal:{{{ONE}}}:meta"
        await at.put(meta, "end", "rubbish")
        record = await at.journal.read(ONE)
        assert record is not None and record.entries == [said(1)]
        assert record.end == HUNG_UP and record.damage == [Damage(2, "unreadable")]
        await at.put(meta, "sequence", "junk")
        record = await at.journal.read(ONE)
        assert record is not None and record.entries == [said(1)]
        await at.put(meta, "start", "rubbish")
        with pytest.raises(SealBroken):
            await at.journal.read(ONE)


async def test_who_takes_over_a_damaged_journal_goes_on_behind_the_hole(redis_url: str) -> None:
    async with desk(redis_url) as at:
        journal = await at.journal.open(start(ONE), 1)
        await journal.append(said(1))
        await journal.append(said(2))
        await at.redis.xdel(f"callfleet:journal:{{{ONE}}}:entries", "1-0")
        new = await at.journal.open(start(ONE), 2)
        assert new.entries == [Note("unreadable", 0), said(2)]
        await new.append(said(3))
        record = await at.journal.read(ONE)
        assert record is not None
        assert (record.entries, record.damage) == ([said(2), said(3)], [Damage(1, "missing")])


async def test_old_keys_read_and_a_missing_key_says_whose_fault_it_is(redis_url: str) -> None:
    old, new = new_key(), new_key()
    async with desk(redis_url, keys=KeyRing.parse(old)) as at:
        journal = await at.journal.open(start(ONE), 1)
        await journal.append(said(1))
    async with desk(redis_url, keys=KeyRing.parse(f"{new},{old}")) as at:
        record = await at.journal.read(ONE)
        assert record is not None and record.entries == [said(1)]
    async with desk(redis_url, keys=KeyRing.parse(new)) as at:
        with pytest.raises(KeyMissing) as missing:
            await at.journal.read(ONE)
        assert missing.value.whose == "operator"


async def test_a_redis_that_takes_no_writes_is_as_good_as_away(redis_url: str) -> None:
    async with desk(redis_url) as at:
        journal = await at.journal.open(start(ONE), 1)
        await at.redis.config_set("maxmemory", 1)
        try:
            await journal.append(said(1))
            assert journal.unsent == 1
        finally:
            await at.redis.config_set("maxmemory", 0)
        await journal.flush()
        record = await at.journal.read(ONE)
        assert record is not None and record.entries == [said(1)]
