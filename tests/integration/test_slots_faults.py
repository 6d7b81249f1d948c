"""What Redis does to the semaphore: forgets, falls over to a replica, jumps in time, goes away.

The clock and the server's run are turned by hand (`slots_clockwork`), so each fault is exact.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from callfleet.calls import CallId
from callfleet.slots import Full, Lease, OrgLimits, Scope, Slots, Waiting
from tests.integration.slots_clockwork import CLOCK, RUN, ClockworkSlots, Photograph

ORG = "main"
HOLD_OFF_MS = 7_500


def call(n: int) -> CallId:
    return CallId(f"call-{n}")


class World:
    """A semaphore for ten, and hands on its clock."""

    def __init__(self, redis: "Redis") -> None:
        self.redis = redis
        self.slots: Slots = ClockworkSlots(redis)
        self.now, self.runs = 1_700_000_000_000, 0

    async def begin(self, limits: OrgLimits) -> None:
        await self.new_primary()
        await self.slots.configure(ORG, limits)

    async def new_primary(self) -> None:
        self.runs += 1
        await self.redis.mset({CLOCK: self.now, RUN: f"run{self.runs}"})

    async def pass_ms(self, ms: int) -> None:
        self.now += ms
        await self.redis.set(CLOCK, self.now)

    async def take(self, *numbers: int, slots: Slots | None = None) -> list[Lease]:
        """Their slots, as workers hold them."""
        leases = []
        for n in numbers:
            got = await (slots or self.slots).acquire(ORG, "a", call(n), holder="w")
            assert isinstance(got, Lease), got
            leases.append(got)
        return leases

    async def live(self) -> int:
        return (await self.slots.usage(ORG)).live


@asynccontextmanager
async def world_at(url: str, limits: OrgLimits) -> AsyncIterator[World]:
    redis = Redis.from_url(url, socket_timeout=5)
    try:
        world = World(redis)
        await world.begin(limits)
        yield world
    finally:
        await redis.aclose()


async def test_a_new_primary_that_lost_leases_admits_nobody_until_holders_spoke(
    redis_url: str,
) -> None:
    async with world_at(redis_url, OrgLimits(10)) as world:
        known = await world.take(*range(6))
        replica = await Photograph.take(world.redis, ORG)
        lost = await world.take(*range(6, 10))
        await replica.put_back(world.redis)
        await world.new_primary()
        assert await world.slots.acquire(ORG, "a", call(10), holder="w") == Full(Scope.HOLD_OFF)
        await world.pass_ms(5_000)
        beat = await world.slots.heartbeat(ORG, "w", [*known, *lost])
        assert (beat.reasserted, beat.held_off, beat.lost) == (4, True, frozenset())
        await world.pass_ms(HOLD_OFF_MS - 5_000)
        assert await world.slots.acquire(ORG, "a", call(10), holder="w") == Full(Scope.ORG)
        assert await world.live() == 10


async def test_holders_come_back_even_above_the_limit_and_it_shrinks_by_attrition(
    redis_url: str,
) -> None:
    async with world_at(redis_url, OrgLimits(2)) as world:
        empty = await Photograph.take(world.redis, ORG)
        old = await world.take(1, 2)
        await empty.put_back(world.redis)
        await world.new_primary()
        for _ in range(3):  # their holders cannot reach the new primary within the hold-off
            await world.slots.heartbeat(ORG, "other")
            await world.pass_ms(4_000)
        new = await world.take(3, 4)
        assert (await world.slots.heartbeat(ORG, "w", old)).reasserted == 2
        assert (await world.slots.usage(ORG)).over == 2
        for lease in old:
            assert await world.slots.release(lease)
        assert await world.slots.acquire(ORG, "a", call(5), holder="w") == Full(Scope.ORG)
        await world.slots.release(new[0])
        await world.take(5)


async def test_lost_memory_is_noticed_by_whoever_knew_it(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(3)) as world:
        (lease,) = await world.take(1)
        await Photograph(ORG, {}).put_back(world.redis)  # same run: a FLUSHALL
        await world.pass_ms(1)
        newcomer: Slots = ClockworkSlots(world.redis)
        await newcomer.configure(ORG, OrgLimits(3))
        await world.take(2, slots=newcomer)  # it cannot know better
        assert await world.slots.acquire(ORG, "a", call(3), holder="w") == Full(Scope.HOLD_OFF)
        assert (await world.slots.heartbeat(ORG, "w", [lease])).reasserted == 1
        await world.pass_ms(5_000)
        await world.slots.heartbeat(ORG, "w", [lease])
        await world.pass_ms(HOLD_OFF_MS - 5_000)
        await world.take(3)
        assert await world.slots.acquire(ORG, "a", call(4), holder="w") == Full(Scope.ORG)


async def test_a_fresh_fleet_on_an_empty_redis_need_not_wait(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(1)) as world:
        await world.take(1)
        assert (await world.slots.usage(ORG)).hold_off_s == 0


async def test_lost_limits_are_stated_again_and_are_no_limit_of_zero(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(2)) as world:
        await Photograph(ORG, {}).put_back(world.redis)
        await world.slots.heartbeat(ORG, "w")
        assert (await world.slots.usage(ORG)).limit == 2


async def test_tokens_and_tickets_never_repeat_after_lost_writes(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(1, max_waiting=9)) as world:
        (first,) = await world.take(1)
        replica = await Photograph.take(world.redis, ORG)
        adopted = await world.slots.adopt(ORG, "a", call(1), holder="w2")
        early = await world.slots.acquire(ORG, "a", call(2), holder="w", wait=True)
        await replica.put_back(world.redis)
        await world.new_primary()
        again = await world.slots.adopt(ORG, "a", call(1), holder="w3")
        assert again.token > adopted.token > first.token
        late = await world.slots.acquire(ORG, "a", call(3), holder="w", wait=True)
        assert isinstance(early, Waiting) and isinstance(late, Waiting)
        beat = await world.slots.heartbeat(ORG, "w", waiters=[late, early])
        assert [beat.waiting[call(n)].position for n in (2, 3)] == [1, 2]


async def test_a_clock_that_jumps_ahead_frees_nobodys_slot(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(1, max_waiting=1)) as world:
        leases = await world.take(1)
        place = await world.slots.acquire(ORG, "a", call(2), holder="w", wait=True)
        assert isinstance(place, Waiting)
        await world.pass_ms(60_000)
        assert await world.slots.acquire(ORG, "a", call(3), holder="w") == Full(Scope.ORG)
        await world.pass_ms(5_000)
        beat = await world.slots.heartbeat(ORG, "w", leases, [place])
        assert not beat.lost and not beat.reasserted and call(2) in beat.waiting
        assert (await world.slots.usage(ORG)).totals["clock_jumps"] == 1


async def test_a_clock_that_jumps_back_leaks_no_slot(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(1)) as world:
        await world.take(1)  # whose holder dies now
        await world.pass_ms(-60_000)
        for _ in range(4):
            assert await world.slots.acquire(ORG, "a", call(2), holder="w") == Full(Scope.ORG)
            await world.pass_ms(4_000)
        await world.take(2)


async def test_a_crashed_holders_slot_is_free_within_ttl_and_a_heartbeat(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(1)) as world:
        await world.take(1)
        for _ in range(3):
            await world.pass_ms(4_999)
            await world.slots.heartbeat(ORG, "somebody")
        assert await world.slots.acquire(ORG, "a", call(2), holder="w") == Full(Scope.ORG)
        await world.pass_ms(3)
        await world.take(2)


async def test_a_dead_waiter_is_passed_over_and_an_unclaimed_grant_falls_back(
    redis_url: str,
) -> None:
    async with world_at(redis_url, OrgLimits(1, max_waiting=9)) as world:
        (lease,) = await world.take(1)
        places = []
        for n, holder in ((2, "dead"), (3, "slow"), (4, "w")):
            place = await world.slots.acquire(ORG, "a", call(n), holder=holder, wait=True)
            assert isinstance(place, Waiting)
            places.append(place)
            await world.pass_ms(1_000)
        await world.slots.heartbeat(ORG, "w", [lease], [places[2]])
        await world.slots.release(lease)  # 2 is no longer alive: 3 gets it, and never calls for it
        assert (await world.slots.usage(ORG)).holders == {"slow": 1}
        await world.pass_ms(2_000)
        assert (await world.slots.heartbeat(ORG, "w", waiters=[places[2]])).waiting
        await world.pass_ms(2_000)
        beat = await world.slots.heartbeat(ORG, "w", waiters=[places[2]])
        assert [granted.call_id for granted in beat.granted] == [call(4)]


async def test_a_holder_that_was_away_too_long_is_counted_again(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(1)) as world:
        leases = await world.take(1)
        for _ in range(4):
            await world.pass_ms(5_000)
            await world.slots.heartbeat(ORG, "other")
        assert await world.live() == 0
        beat = await world.slots.heartbeat(ORG, "w", leases)
        assert beat.reasserted == 1 and not beat.lost
        assert await world.live() == 1


async def test_a_call_that_came_back_after_its_release_is_no_zombie(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(1)) as world:
        (first,) = await world.take(1)
        await world.slots.release(first)
        again = await world.slots.adopt(ORG, "a", call(1), holder="w")
        for _ in range(4):
            await world.pass_ms(5_000)
            await world.slots.heartbeat(ORG, "other")
        beat = await world.slots.heartbeat(ORG, "w", [again])
        assert (beat.reasserted, beat.lost) == (1, frozenset())


async def test_a_token_told_by_its_holder_is_never_given_out_again(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(5)) as world:
        (lease,) = await world.take(1)
        await Photograph(ORG, {}).put_back(world.redis)
        await world.pass_ms(-60_000)  # forgotten, and the new beginning is dated earlier
        await world.slots.heartbeat(ORG, "w", [lease])
        taken_over = await world.slots.adopt(ORG, "a", call(1), holder="w2")
        assert taken_over.token > lease.token
