"""What moves the limit: the file, the operator, the API's refusals, its tokens, a dead key."""

from callfleet.calls import CallId
from callfleet.slots import Circuit, Full, Lease, OrgLimits, Refusal, Scope, Slots, Spent, Waiting
from tests.integration.slots_clockwork import ClockworkSlots
from tests.integration.test_slots_faults import ORG, World, call, world_at


async def limits_of(world: World) -> tuple[int | None, int | None]:
    usage = await world.slots.usage(ORG)
    return usage.limit, usage.effective_limit


async def test_what_was_set_at_run_time_outlives_restarts_with_the_same_file(
    redis_url: str,
) -> None:
    async with world_at(redis_url, OrgLimits(100, {"a": 10})) as world:
        await world.slots.set_limit(ORG, 80)
        await world.slots.set_limit(ORG, 5, "a")
        restarted: Slots = ClockworkSlots(world.redis)
        await restarted.configure(ORG, OrgLimits(100, {"a": 10}))
        usage = await world.slots.usage(ORG)
        assert (usage.limit, usage.file_limit, usage.agents["a"].limit) == (80, 100, 5)


async def test_a_file_that_says_something_new_ends_what_was_set(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(100, {"a": 10, "b": 10})) as world:
        await world.slots.set_limit(ORG, 80)
        for agent in "ab":
            await world.slots.set_limit(ORG, 5, agent)
        await world.slots.configure(ORG, OrgLimits(120, {"b": 10}))
        usage = await world.slots.usage(ORG)
        assert usage.limit == 120
        assert "a" not in usage.agents
        assert usage.agents["b"].limit == 5


async def test_back_to_the_file_on_demand(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(100)) as world:
        await world.slots.set_limit(ORG, 80)
        await world.slots.set_limit(ORG, None)
        assert await limits_of(world) == (100, 100)


async def test_refusals_back_off_once_per_moment_and_grow_back(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(20)) as world:
        await world.take(*range(10))
        for kind in Refusal:  # one congestion, told by many
            await world.slots.report_refusal(ORG, kind)
        assert await limits_of(world) == (20, 7)
        assert await world.slots.acquire(ORG, "a", call(99), holder="w") == Full(Scope.ORG)
        await world.slots.adopt(ORG, "a", call(98), holder="w")  # a takeover is not kept out
        for _ in range(10):
            await world.pass_ms(3_000)
            await world.slots.report_refusal(ORG)
        floor = (await limits_of(world))[1]
        assert floor == 2
        seen = []
        for _ in range(60):
            await world.pass_ms(4_000)
            await world.slots.heartbeat(ORG, "w")
            seen.append((await limits_of(world))[1] or 0)
        assert seen == sorted(seen)
        assert seen[0] <= 3 and seen[-1] == 20


async def test_growing_back_serves_who_waits(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(10, max_waiting=5)) as world:
        leases = await world.take(*range(4))
        await world.slots.report_refusal(ORG)
        assert await limits_of(world) == (10, 2)
        place = await world.slots.acquire(ORG, "a", call(9), holder="w", wait=True)
        assert isinstance(place, Waiting)
        beats, beat = 0, await world.slots.heartbeat(ORG, "w", leases, [place])
        while not beat.granted and beats < 200:
            beats += 1
            await world.pass_ms(2_500)
            beat = await world.slots.heartbeat(ORG, "w", leases, [place])
        assert beats > 1
        assert [lease.call_id for lease in beat.granted] == [call(9)]


async def test_an_open_circuit_lets_nobody_in_and_tells_who_waits(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(1, max_waiting=5)) as world:
        (lease,) = await world.take(1)
        place = await world.slots.acquire(ORG, "a", call(2), holder="w", wait=True)
        assert isinstance(place, Waiting)
        await world.slots.open_circuit(ORG, "invalid_api_key", for_s=10)
        asked = await world.slots.acquire(ORG, "a", call(3), holder="w", wait=True)
        assert asked == Full(Scope.CIRCUIT)
        beat = await world.slots.heartbeat(ORG, "w", [lease], [place])
        assert beat.refused == {call(2): Full(Scope.CIRCUIT)} and not beat.lost
        assert (await world.slots.usage(ORG)).circuit_reason == "invalid_api_key"
        await world.slots.release(lease)
        for _ in range(2):
            assert isinstance(await world.slots.acquire(ORG, "a", call(4), holder="w"), Full)
            await world.pass_ms(5_000)
        await world.take(4)


async def test_a_mended_key_opens_the_door_at_once(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(1)) as world:
        await world.slots.open_circuit(ORG, "billing_hard_limit_reached", for_s=600)
        await world.slots.close_circuit(ORG)
        await world.take(1)
        assert (await world.slots.usage(ORG)).circuit_s == 0


async def test_spent_tokens_close_the_gate_until_they_are_a_minute_old(redis_url: str) -> None:
    limits = OrgLimits(100, tokens_per_minute=10_000, max_waiting=5)
    async with world_at(redis_url, limits) as world:
        leases = await world.take(1)
        await world.slots.heartbeat(ORG, "w", leases, spent=Spent(9_000))
        assert await world.slots.acquire(ORG, "a", call(2), holder="w") == Full(Scope.TOKENS)
        place = await world.slots.acquire(ORG, "a", call(2), holder="w", wait=True)
        assert isinstance(place, Waiting)
        beats, granted = 0, False
        while not granted and beats < 60:
            beats += 1
            await world.pass_ms(2_000)
            granted = bool((await world.slots.heartbeat(ORG, "w", leases, [place])).granted)
        # 9000 has to fade until it and as much again fit: 60 s * ln(1.8) = 35 s
        assert 17 <= beats <= 19


async def test_a_burst_is_admitted_by_what_its_calls_will_spend(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(100, tokens_per_minute=10_000)) as world:
        await world.take(1)
        await world.slots.heartbeat(ORG, "w", spent=Spent(2_000))
        admitted = 0
        for n in range(2, 30):
            got = await world.slots.acquire(ORG, "a", CallId(f"c{n}"), holder="w")
            admitted += isinstance(got, Lease)
        assert admitted == 3  # 2000 each: five would spend the whole budget


async def test_the_apis_own_count_is_believed_when_it_is_the_worse(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(100, tokens_per_minute=10_000)) as world:
        await world.slots.heartbeat(ORG, "w", spent=Spent(0, 500, 10_000))
        assert (await world.slots.usage(ORG)).token_rate == 9_500
        await world.slots.heartbeat(ORG, "w", spent=Spent(0, 9_000, 10_000))
        assert (await world.slots.usage(ORG)).token_rate == 9_500


async def test_a_circuit_half_open_lets_one_try_and_waits_twice_as_long_when_it_fails(
    redis_url: str,
) -> None:
    async with world_at(redis_url, OrgLimits(9)) as world:
        await world.slots.open_circuit(ORG, "insufficient_quota", for_s=4)
        await world.pass_ms(4_000)
        assert (await world.slots.usage(ORG)).circuit is Circuit.HALF
        (tries,) = await world.take(1)
        assert await world.slots.acquire(ORG, "a", call(2), holder="w") == Full(Scope.CIRCUIT)
        await world.slots.open_circuit(ORG, "insufficient_quota", for_s=4)
        await world.slots.release(tries)
        usage = await world.slots.usage(ORG)
        assert (usage.circuit, usage.circuit_s) == (Circuit.OPEN, 8)
        for _ in range(2):
            await world.pass_ms(4_000)
            await world.slots.heartbeat(ORG, "other")  # the clock needs to be touched
        await world.take(3)
        await world.slots.report_good(ORG)
        await world.take(4, 5)
        assert (await world.slots.heartbeat(ORG, "w")).circuit is Circuit.CLOSED


async def test_a_session_that_was_open_before_does_not_close_the_circuit(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(9)) as world:
        await world.slots.open_circuit(ORG, "account_deactivated", for_s=4)
        await world.slots.report_good(ORG)
        beat = await world.slots.heartbeat(ORG, "w")
        assert beat.circuit is Circuit.OPEN


async def test_a_try_that_says_nothing_is_followed_by_another(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(9)) as world:
        await world.slots.open_circuit(ORG, "insufficient_quota", for_s=4)
        await world.pass_ms(4_000)
        for number in range(3):
            await world.take(number)
            for _ in range(6):
                await world.pass_ms(5_000)
                await world.slots.heartbeat(ORG, "other")


async def test_who_states_no_tokens_is_not_counted_by_them(redis_url: str) -> None:
    async with world_at(redis_url, OrgLimits(2)) as world:
        await world.slots.heartbeat(ORG, "w", spent=Spent(10**9, 0, 10))
        await world.take(1)
        assert (await world.slots.usage(ORG)).token_rate == 0
