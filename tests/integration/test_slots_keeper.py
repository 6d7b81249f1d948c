"""One process' heartbeat: it holds, waits, notices a loss, and outlives its Redis."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from callfleet.calls import CallId
from callfleet.errors import StoreFault
from callfleet.slots import Beat, Full, Lease, OrgLimits, Slots, Waiting, slot_keys
from callfleet.slots_keeper import SlotKeeper
from tests.redis_server import RedisServer

ORG = "main"
CALL = CallId("call-1")


class Seat:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.lease: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        self.gone = asyncio.Event()
        self.positions: list[int] = []
        self.full: Full | None = None

    def granted(self, lease: Lease) -> None:
        self.lease.set_result(lease)

    def moved(self, waiting: Waiting) -> None:
        self.positions.append(waiting.position)

    def refused(self, full: Full) -> None:
        self.full = full
        self.gone.set()

    def lost(self) -> None:
        self.gone.set()


class Ear:
    """Hears every beat; waits for one that is as wished."""

    def __init__(self) -> None:
        self.outcomes: asyncio.Queue[Beat | StoreFault] = asyncio.Queue()

    def __call__(self, _org: str, outcome: Beat | StoreFault) -> None:
        self.outcomes.put_nowait(outcome)

    async def hears(self, wished: Callable[[Beat | StoreFault], bool]) -> None:
        while not wished(await self.outcomes.get()):
            pass


@asynccontextmanager
async def keeper_at(
    url: str, *, heartbeat_s: float = 0.3, waiter_beat_s: float = 0.1, name: str = "w1"
) -> AsyncIterator[tuple[Slots, SlotKeeper, Ear]]:
    redis = Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
    slots = Slots(redis, lease_ttl_s=max(3.0, 3 * heartbeat_s), heartbeat_s=heartbeat_s)
    ear = Ear()
    keeper = SlotKeeper(slots, redis, name, [ORG], waiter_beat_s=waiter_beat_s, beaten=ear)
    running = asyncio.create_task(keeper.run())
    try:
        yield slots, keeper, ear
    finally:
        running.cancel()
        done, _ = await asyncio.wait([running], timeout=10)
        await redis.aclose()
        assert done, "it goes on though it was told to stop"


@pytest.fixture
def server() -> "contextlib.AbstractContextManager[RedisServer]":
    """One of the test's own, to be mistreated."""
    return RedisServer()


async def held(slots: Slots, keeper: SlotKeeper, call_id: CallId = CALL) -> tuple[Lease, Seat]:
    lease = await slots.adopt(ORG, "a", call_id, holder=keeper.holder)
    seat = Seat()
    keeper.hold(lease, seat)
    return lease, seat


async def queued(slots: Slots, keeper: SlotKeeper, call_id: CallId) -> Seat:
    place = await slots.acquire(ORG, "a", call_id, holder=keeper.holder, wait=True)
    assert isinstance(place, Waiting)
    seat = Seat()
    keeper.wait(place, seat)
    return seat


async def test_a_hint_brings_the_grant_long_before_the_next_heartbeat(redis_url: str) -> None:
    async with keeper_at(redis_url, heartbeat_s=600, waiter_beat_s=600) as (slots, keeper, ear):
        await slots.configure(ORG, OrgLimits(1, max_waiting=2))
        lease, _ = await held(slots, keeper)
        first = await queued(slots, keeper, CallId("call-2"))
        second = await queued(slots, keeper, CallId("call-3"))
        await ear.hears(lambda beat: isinstance(beat, Beat) and len(beat.waiting) == 2)
        keeper.drop(ORG, lease.call_id)
        await slots.release(lease)
        assert (await first.lease).call_id == "call-2"
        await ear.hears(lambda beat: isinstance(beat, Beat) and bool(beat.granted))
        assert second.positions == [1]
        assert [lease.call_id for lease in keeper.leases(ORG)] == ["call-2"]


async def test_lost_hints_strand_nobody(redis_url: str) -> None:
    async with keeper_at(redis_url) as (slots, keeper, _):
        await slots.configure(ORG, OrgLimits(1, max_waiting=2))
        lease = await slots.adopt(ORG, "a", CALL, holder="elsewhere")
        seat = await queued(slots, keeper, CallId("call-2"))
        async with Redis.from_url(redis_url) as redis:
            for _ in range(20):
                await redis.client_kill_filter(_type="pubsub")
                await asyncio.sleep(0.01)
            await slots.release(lease)
            for _ in range(20):
                with contextlib.suppress(RedisError):
                    await redis.client_kill_filter(_type="pubsub")
                await asyncio.sleep(0.01)
        assert (await seat.lease).call_id == "call-2"


async def test_an_adopted_calls_old_holder_learns_of_it(redis_url: str) -> None:
    async with (
        keeper_at(redis_url, heartbeat_s=600) as (slots, keeper, ear),
        keeper_at(redis_url, heartbeat_s=600, name="w2") as (_, other, _),
    ):
        await slots.configure(ORG, OrgLimits(2))
        _, seat = await held(slots, keeper)
        await ear.hears(lambda beat: isinstance(beat, Beat))
        await held(slots, other)
        await seat.gone.wait()
        assert keeper.leases(ORG) == []


async def test_an_opened_circuit_sends_waiters_to_the_overflow_at_once(redis_url: str) -> None:
    async with keeper_at(redis_url, heartbeat_s=600, waiter_beat_s=600) as (slots, keeper, ear):
        await slots.configure(ORG, OrgLimits(1, max_waiting=2))
        await held(slots, keeper)
        seat = await queued(slots, keeper, CallId("call-2"))
        await ear.hears(lambda beat: isinstance(beat, Beat) and bool(beat.waiting))
        await slots.open_circuit(ORG, "invalid_api_key")
        await seat.gone.wait()
        assert seat.full is not None


async def test_a_frozen_redis_takes_nobodys_slot(
    server: "contextlib.AbstractContextManager[RedisServer]",
) -> None:
    with server as redis:
        async with keeper_at(redis.url) as (slots, keeper, ear):
            await slots.configure(ORG, OrgLimits(1))
            _, seat = await held(slots, keeper)
            await ear.hears(lambda beat: isinstance(beat, Beat))
            redis.freeze()
            await ear.hears(lambda beat: isinstance(beat, StoreFault))
            assert keeper.silence_s(ORG) > 0
            await asyncio.sleep(slots.lease_ttl_s)
            redis.thaw()
            await ear.hears(lambda beat: isinstance(beat, Beat))
            usage = await slots.usage(ORG)
            assert (usage.live, usage.holders) == (1, {"w1": 1})
            assert not seat.gone.is_set()


async def test_a_redis_that_forgot_everything_is_told_again(
    server: "contextlib.AbstractContextManager[RedisServer]",
) -> None:
    with server as redis:
        async with keeper_at(redis.url) as (slots, keeper, ear):
            await slots.configure(ORG, OrgLimits(2))
            _, seat = await held(slots, keeper)
            await ear.hears(lambda beat: isinstance(beat, Beat))
            redis.restart()
            await ear.hears(lambda beat: isinstance(beat, Beat) and beat.reasserted == 1)
            usage = await slots.usage(ORG)
            assert (usage.live, usage.limit) == (1, 2)
            assert usage.hold_off_s > 0
            assert not seat.gone.is_set()


async def test_it_stops_when_told_though_its_connections_are_being_cut(redis_url: str) -> None:
    """redis-py swallows a cancellation now and then while it closes a broken connection."""
    async with Redis.from_url(redis_url) as redis, asyncio.timeout(30):

        async def cut() -> None:
            while True:
                await redis.client_kill_filter(_type="pubsub")
                await asyncio.sleep(0.003)

        cutting = asyncio.create_task(cut())
        dice = random.Random(1)
        for _ in range(20):
            async with contextlib.AsyncExitStack() as stack:
                for n in range(5):
                    await stack.enter_async_context(keeper_at(redis_url, name=f"w{n}"))
                await asyncio.sleep(dice.uniform(0, 0.05))
        cutting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cutting


async def test_idle_keys_expire(redis_url: str) -> None:
    async with keeper_at(redis_url, heartbeat_s=600, waiter_beat_s=600) as (slots, keeper, _):
        await slots.configure(ORG, OrgLimits(1, {"a": 1}, max_waiting=2))
        await held(slots, keeper)
        await queued(slots, keeper, CallId("call-2"))
        await slots.leave(ORG, CallId("call-3"))
        async with Redis.from_url(redis_url) as redis:
            lives = {key: await redis.pttl(key) for key in slot_keys(ORG)}
        assert all(life > 0 for life in lives.values()), lives
