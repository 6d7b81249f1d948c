"""The semaphore against a real Redis: what each operation promises, one promise a test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from callfleet.calls import CallId
from callfleet.errors import AtCapacity, StoreFault
from callfleet.slots import Full, Lease, OrgLimits, Priority, Scope, Slots, Waiting

ORG = "main"


def call(n: int) -> CallId:
    return CallId(f"call-{n}")


@asynccontextmanager
async def slots_at(
    url: str, limits: OrgLimits | None = None, **times: float
) -> AsyncIterator[Slots]:
    redis = Redis.from_url(url, socket_timeout=5)
    try:
        slots = Slots(redis, **times)
        if limits:
            await slots.configure(ORG, limits)
        yield slots
    finally:
        await redis.aclose()


async def taken(slots: Slots, n: int, agent: str = "a", **how: object) -> Lease:
    lease = await slots.acquire(ORG, agent, call(n), holder="gw", **how)  # type: ignore[arg-type] # passed through
    assert isinstance(lease, Lease), lease
    return lease


async def queued(slots: Slots, n: int, agent: str = "a", holder: str = "gw") -> Waiting:
    place = await slots.acquire(ORG, agent, call(n), holder=holder, wait=True)
    assert isinstance(place, Waiting), place
    return place


async def test_the_org_limit_holds_and_a_release_makes_room(redis_url: str) -> None:
    async with slots_at(redis_url, OrgLimits(2)) as slots:
        first = await taken(slots, 1)
        await taken(slots, 2)
        assert await slots.acquire(ORG, "a", call(3), holder="gw") == Full(Scope.ORG)
        assert await slots.release(first)
        assert not await slots.release(first)
        await taken(slots, 3)


async def test_an_agents_own_cap_leaves_the_rest_to_others(redis_url: str) -> None:
    async with slots_at(redis_url, OrgLimits(3, {"a": 1})) as slots:
        await taken(slots, 1, "a")
        assert await slots.acquire(ORG, "a", call(2), holder="gw") == Full(Scope.AGENT)
        await taken(slots, 3, "b")
        await taken(slots, 4, "b")


async def test_asking_again_answers_the_same_lease(redis_url: str) -> None:
    async with slots_at(redis_url, OrgLimits(1)) as slots:
        first = await taken(slots, 1)
        again = await slots.acquire(ORG, "a", call(1), holder="other")
        assert again == Lease(ORG, "a", call(1), "other", first.token)
        assert (await slots.usage(ORG)).holders == {"other": 1}


async def test_adopting_keeps_one_lease_and_fences_the_old_owner(redis_url: str) -> None:
    async with slots_at(redis_url, OrgLimits(1)) as slots:
        old = await taken(slots, 1)
        new = await slots.adopt(ORG, "a", call(1), holder="w1")
        assert new.token > old.token
        assert not await slots.release(old)
        assert (await slots.heartbeat(ORG, "gw", [old])).lost == {call(1)}
        assert not (await slots.heartbeat(ORG, "w1", [new])).lost
        assert (await slots.usage(ORG)).live == 1
        assert await slots.release(new)
        assert (await slots.heartbeat(ORG, "w1", [new])).lost == {call(1)}


async def test_a_takeover_uses_the_reserve_and_says_when_even_that_is_gone(redis_url: str) -> None:
    async with slots_at(redis_url, OrgLimits(2, reserve_inbound=1)) as slots:
        await taken(slots, 1)
        assert await slots.acquire(ORG, "a", call(2), holder="gw") == Full(Scope.ORG)
        await slots.adopt(ORG, "a", call(3), holder="w1")
        with pytest.raises(AtCapacity):
            await slots.adopt(ORG, "a", call(4), holder="w1")


async def test_a_freed_slot_is_handed_to_the_first_waiter(redis_url: str) -> None:
    async with slots_at(redis_url, OrgLimits(1, max_waiting=2)) as slots:
        lease = await taken(slots, 1)
        waiters = [await queued(slots, n) for n in (2, 3)]
        assert [w.position for w in waiters] == [1, 2]
        assert await slots.acquire(ORG, "a", call(4), holder="gw", wait=True) == Full(Scope.QUEUE)
        await slots.release(lease)
        assert await slots.acquire(ORG, "a", call(5), holder="gw") == Full(Scope.ORG)  # no barging
        beat = await slots.heartbeat(ORG, "gw", waiters=waiters)
        assert [granted.call_id for granted in beat.granted] == [call(2)]
        assert beat.waiting[call(3)].position == 1


async def test_a_lapsed_lease_comes_back_by_itself(redis_url: str) -> None:
    times = {"lease_ttl_s": 0.4, "heartbeat_s": 0.1}
    async with slots_at(redis_url, OrgLimits(1), **times) as slots:
        await taken(slots, 1)
        for _ in range(200):
            if isinstance(await slots.acquire(ORG, "a", call(2), holder="gw"), Lease):
                break
            await asyncio.sleep(0.05)
        assert (await slots.usage(ORG)).totals["expired"] == 1


async def test_an_org_nobody_configured_is_a_fault_not_a_limit_of_zero(redis_url: str) -> None:
    async with slots_at(redis_url) as slots:
        with pytest.raises(StoreFault):
            await slots.acquire(ORG, "a", call(1), holder="gw")
        assert (await slots.usage(ORG)).limit is None


async def test_priorities_go_first(redis_url: str) -> None:
    async with slots_at(redis_url, OrgLimits(1, max_waiting=9)) as slots:
        lease = await taken(slots, 1)
        for n, priority in enumerate((Priority.OUTBOUND, Priority.INBOUND, Priority.TAKEOVER), 2):
            await slots.acquire(ORG, "a", call(n), holder="gw", priority=priority, wait=True)
        order = []
        for _ in range(3):
            await slots.release(lease)
            usage = await slots.usage(ORG)
            assert usage.live == 1
            for n in range(2, 5):
                got = await slots.acquire(ORG, "a", call(n), holder="gw", wait=True)
                if isinstance(got, Lease) and n not in order:
                    order.append(n)
                    lease = got
                    break
        assert order == [4, 3, 2]


async def test_redis_away_is_a_store_fault() -> None:
    async with slots_at("redis://127.0.0.1:1/0") as slots:
        with pytest.raises(StoreFault):
            await slots.configure(ORG, OrgLimits(1))
