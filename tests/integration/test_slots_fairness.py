"""Who is served next: order within an agent, turns between agents, what a limit does meanwhile."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from callfleet.calls import CallId
from callfleet.slots import Full, Lease, OrgLimits, Priority, Scope, Slots, Waiting

ORG = "main"


class Line:
    """A semaphore and everybody who waits or talks, at one gateway."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.places: dict[CallId, Waiting] = {}
        self.leases: list[Lease] = []

    async def call(
        self, name: str, *, priority: Priority = Priority.INBOUND
    ) -> Lease | Waiting | Full:
        """`a7` is the seventh call to agent `a`."""
        call_id = CallId(name)
        got = await self.slots.acquire(
            ORG, name[0], call_id, holder="gw", priority=priority, wait=True
        )
        if isinstance(got, Waiting):
            self.places[call_id] = got
        elif isinstance(got, Lease):
            self.leases.append(got)
        return got

    async def calls(self, *names: str) -> None:
        for name in names:
            await self.call(name)

    async def end(self, name: str) -> None:
        (lease,) = (lease for lease in self.leases if lease.call_id == name)
        self.leases.remove(lease)
        assert await self.slots.release(lease)

    async def served(self) -> list[str]:
        """Those granted since, in the order of their tokens."""
        beat = await self.slots.heartbeat(ORG, "gw", self.leases, list(self.places.values()))
        granted = sorted(beat.granted, key=lambda lease: lease.token)
        self.leases += granted
        self.places = dict(beat.waiting)
        return [str(lease.call_id) for lease in granted]


@asynccontextmanager
async def line_at(url: str, limits: OrgLimits) -> AsyncIterator[Line]:
    redis = Redis.from_url(url, socket_timeout=5)
    try:
        slots = Slots(redis, waiter_ttl_s=60)
        await slots.configure(ORG, limits)
        yield Line(slots)
    finally:
        await redis.aclose()


async def test_fifty_of_fifty_are_served_in_order_of_arrival(redis_url: str) -> None:
    async with line_at(redis_url, OrgLimits(1, max_waiting=50)) as line:
        names = [f"a{n}" for n in range(51)]
        await line.calls(*names)
        served = ["a0"]
        for _ in range(50):
            await line.end(served[-1])
            served += await line.served()
        assert served == names


async def test_a_capped_agents_queue_starves_nobody(redis_url: str) -> None:
    async with line_at(redis_url, OrgLimits(100, {"a": 2}, max_waiting=500)) as line:
        await line.calls(*(f"a{n}" for n in range(202)))
        assert len(line.places) == 200
        assert isinstance(await line.call("b0"), Lease)


async def test_the_agent_with_fewest_calls_is_served_first(redis_url: str) -> None:
    async with line_at(redis_url, OrgLimits(4, max_waiting=50)) as line:
        await line.calls("a0", "a1", "a2", "b0", "a3", "a4", "b1", "b2", "c0")
        await line.slots.set_limit(ORG, 8)
        assert await line.served() == ["c0", "b1", "b2", "a3"]


async def test_agents_with_equally_many_take_turns(redis_url: str) -> None:
    async with line_at(redis_url, OrgLimits(1, max_waiting=50)) as line:
        await line.calls("z0", "a1", "a2", "a3", "b1", "b2", "b3")
        last, order = "z0", []
        for _ in range(6):
            await line.end(last)
            (last,) = await line.served()
            order.append(last[0])
        assert order in (list("ababab"), list("bababa"))


async def test_nobody_overtakes_a_queue_of_the_same_agent(redis_url: str) -> None:
    async with line_at(redis_url, OrgLimits(1, max_waiting=5)) as line:
        await line.calls("a0", "a1")
        await line.end("a0")
        assert await line.slots.acquire(ORG, "a", CallId("a2"), holder="gw") == Full(Scope.ORG)
        assert await line.served() == ["a1"]


async def test_a_caller_who_hangs_up_leaves_at_once_and_passes_a_fresh_grant_on(
    redis_url: str,
) -> None:
    async with line_at(redis_url, OrgLimits(1, max_waiting=5)) as line:
        await line.calls("a0", "a1", "a2", "a3")
        await line.slots.leave(ORG, CallId("a1"))
        await line.end("a0")  # grants a2, who hangs up before learning of it
        await line.slots.leave(ORG, CallId("a2"))
        assert await line.served() == ["a3"]
        assert not line.places


async def test_outbound_calls_leave_the_reserve_to_callers(redis_url: str) -> None:
    limits = OrgLimits(2, reserve_outbound=1, max_waiting=5)
    async with line_at(redis_url, limits) as line:
        assert isinstance(await line.call("a0", priority=Priority.OUTBOUND), Lease)
        assert isinstance(await line.call("a1", priority=Priority.OUTBOUND), Waiting)
        assert isinstance(await line.call("a2"), Lease)
        assert isinstance(await line.call("a3"), Waiting)
        await line.end("a2")
        assert await line.served() == ["a3"]
        await line.end("a3")
        assert await line.served() == []
        await line.end("a0")
        assert await line.served() == ["a1"]


async def test_a_place_can_be_kept_by_another_gateway_than_the_one_that_took_it(
    redis_url: str,
) -> None:
    async with line_at(redis_url, OrgLimits(1, max_waiting=5)) as line:
        await line.calls("a0", "a1", "a2")
        moved = await line.slots.acquire(ORG, "a", CallId("a1"), holder="gw2", wait=True)
        assert isinstance(moved, Waiting)
        assert moved.position == 1
        beat = await line.slots.heartbeat(ORG, "gw", line.leases, list(line.places.values()))
        assert beat.lost == {"a1"}
        await line.end("a0")
        other = await line.slots.heartbeat(ORG, "gw2", waiters=[moved])
        assert [lease.call_id for lease in other.granted] == ["a1"]


async def test_shrinking_ends_no_call_and_growing_serves_at_once(redis_url: str) -> None:
    async with line_at(redis_url, OrgLimits(3, max_waiting=9)) as line:
        await line.calls("a0", "a1", "a2", "a3")
        await line.slots.set_limit(ORG, 1)
        usage = await line.slots.usage(ORG)
        assert (usage.live, usage.limit, usage.over) == (3, 1, 2)
        await line.end("a0")
        await line.end("a1")
        assert await line.served() == []
        await line.slots.set_limit(ORG, 4)
        assert await line.served() == ["a3"]


async def test_the_last_slot_is_counted_by_agents_too_when_a_cap_changes(redis_url: str) -> None:
    async with line_at(redis_url, OrgLimits(9, {"a": 1}, max_waiting=9)) as line:
        await line.calls("a0", "a1", "a2")
        await line.slots.set_limit(ORG, 2, "a")
        assert await line.served() == ["a1"]
        await line.slots.set_limit(ORG, None, "a")
        await line.end("a0")
        assert await line.served() == []
        await line.end("a1")
        assert await line.served() == ["a2"]
