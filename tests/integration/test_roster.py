"""Placement against a real Redis: sticky, never too many, never where nobody listens."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from callfleet.calls import CallId
from callfleet.errors import NoWorker, StoreFault
from callfleet.roster import Placement, Roster, Route
from tests.integration.call_desk import call, card

ONE = call(1)


@asynccontextmanager
async def roster_at(url: str, **how: object) -> AsyncIterator[Roster]:
    redis = Redis.from_url(url, socket_timeout=5, max_connections=20)
    try:
        yield Roster(redis, **how)  # type: ignore[arg-type]  # passed through
    finally:
        await redis.aclose()


async def placed(roster: Roster, count: int) -> list[Route | NoWorker]:
    """So many calls at once, from twenty gateways."""
    gateways = asyncio.Semaphore(20)

    async def place(number: int) -> Route | NoWorker:
        async with gateways:
            try:
                return await roster.place(call(number))
            except NoWorker as nobody:
                return nobody

    return await asyncio.gather(*(place(number) for number in range(count)))


def spread(found: list[Route | NoWorker]) -> Counter[str]:
    return Counter(each.worker_id for each in found if isinstance(each, Route))


@pytest.mark.alone
async def test_a_thousand_calls_at_once_fill_and_never_overfill(redis_url: str) -> None:
    room = {f"w{number}": 7 * number for number in range(1, 11)}  # 385 places in ten workers
    async with roster_at(redis_url) as roster:
        for name, capacity in room.items():
            await roster.announce(card(name, capacity))
        found = await placed(roster, 1000)
        assert spread(found) == room
        assert len([each for each in found if isinstance(each, NoWorker)]) == 1000 - 385


async def test_a_figure_said_before_the_calls_came_does_not_overfill(redis_url: str) -> None:
    async with roster_at(redis_url) as roster:
        await roster.announce(card("w1", 2))
        for number in (1, 2):
            await roster.place(call(number))
            await roster.settle(call(number), "w1")
        await roster.announce(card("w1", 2, live=0))  # said a second ago
        with pytest.raises(NoWorker):
            await roster.place(call(3))


async def test_what_a_worker_says_counts_where_the_roster_has_forgotten(redis_url: str) -> None:
    async with roster_at(redis_url) as roster:
        await roster.announce(card("w1", 3, live=2))
        await roster.place(call(1))
        with pytest.raises(NoWorker):
            await roster.place(call(2))


async def test_a_call_stays_with_its_worker(redis_url: str) -> None:
    async with roster_at(redis_url) as roster:
        for name in ("w1", "w2", "w3"):
            await roster.announce(card(name, 1))
        first = await roster.place(ONE)
        assert first.url == f"ws://{first.worker_id}/link"
        for _ in range(5):
            assert await roster.place(ONE) == first  # full by now, and drained below
        await roster.announce(card(first.worker_id, 1, draining=True))
        assert await roster.place(ONE) == first
        assert await roster.route(ONE) == first
        assert len(spread(await placed(roster, 4))) == 3, "asking again took no second place"


async def test_a_worker_that_does_not_answer_is_left_for_another(redis_url: str) -> None:
    async with roster_at(redis_url) as roster:
        for name in ("w1", "w2"):
            await roster.announce(card(name, 1))
        first = await roster.place(ONE)
        second = await roster.place(ONE, avoid={first.worker_id})
        assert second.worker_id != first.worker_id
        assert await roster.route(ONE) == second
        with pytest.raises(NoWorker):
            await roster.place(ONE, avoid={"w1", "w2"})
        back = await roster.place(call(2))  # the place given up is free again
        assert back.worker_id in ("w1", "w2")


async def test_draining_silent_and_withdrawn_workers_get_nothing(redis_url: str) -> None:
    async with roster_at(redis_url, alive_s=0.6) as roster:
        await roster.announce(card("silent"))
        await asyncio.sleep(0.7)
        await roster.announce(card("drained", draining=True))
        await roster.announce(card("gone"))
        await roster.withdraw("gone")
        await roster.announce(card("closed", 0))
        with pytest.raises(NoWorker):
            await roster.place(ONE)
        assert [each.worker_id for each in await roster.workers()] == ["closed", "drained"]


async def test_a_call_of_a_silent_worker_goes_elsewhere_and_its_place_is_free(
    redis_url: str,
) -> None:
    async with roster_at(redis_url, alive_s=0.6) as roster:
        await roster.announce(card("w1", 1))
        await roster.place(ONE)
        await roster.settle(ONE, "w1")
        await asyncio.sleep(0.7)
        assert await roster.route(ONE) is None
        await roster.announce(card("w2", 1))
        assert (await roster.place(ONE)).worker_id == "w2"
        # The old one thaws: it learns that the call is another's, and does not get it back.
        assert await roster.announce(card("w1", 1), [ONE]) == {ONE}
        assert not await roster.settle(ONE, "w1")
        assert not await roster.drop(ONE, "w1")
        assert (await roster.place(call(2))).worker_id == "w1"
        assert (await roster.place(ONE)).worker_id == "w2"


async def test_a_place_nobody_takes_lapses(redis_url: str) -> None:
    async with roster_at(redis_url, reservation_s=0.5) as roster:
        await roster.announce(card("w1", 1))
        await roster.place(ONE)
        with pytest.raises(NoWorker):
            await roster.place(call(2))
        await asyncio.sleep(0.7)
        assert await roster.route(ONE) is None
        assert (await roster.place(call(2))).worker_id == "w1"


async def test_a_call_that_was_taken_stays_while_its_worker_announces(redis_url: str) -> None:
    async with roster_at(redis_url, reservation_s=0.5, route_s=1.0) as roster:
        await roster.announce(card("w1", 2))
        for number in (1, 2):
            await roster.place(call(number))
            assert await roster.settle(call(number), "w1")
        for calls in ([call(1), call(2)], None, [call(1)], [call(1)], [call(1)]):
            await asyncio.sleep(0.35)
            assert await roster.announce(card("w1", 2), calls) == set()
        assert await roster.route(call(1)) is not None
        assert await roster.route(call(2)) is None  # its worker no longer spoke of it
        assert (await roster.place(call(3))).worker_id == "w1"


async def test_a_place_that_came_back_after_its_call_had_ended_goes_again(redis_url: str) -> None:
    async with roster_at(redis_url, alive_s=0.6) as roster:
        await roster.announce(card("w1", 1))
        await roster.place(ONE)
        await roster.settle(ONE, "w1")
        await roster.drop(ONE)
        await roster.announce(card("w1", 1), [ONE])  # on its way when the call ended
        with pytest.raises(NoWorker):
            await roster.place(call(2))
        await asyncio.sleep(0.7)
        await roster.announce(card("w1", 1), [])
        assert await roster.route(ONE) is None
        assert (await roster.place(call(2))).worker_id == "w1"


async def test_asking_for_a_call_that_was_taken_holds_no_second_place(redis_url: str) -> None:
    async with roster_at(redis_url, reservation_s=0.5) as roster:
        await roster.announce(card("w1", 2))
        first = await roster.place(ONE)
        await roster.settle(ONE, "w1")
        assert await roster.place(ONE) == first
        await roster.place(call(2))
        await asyncio.sleep(0.7)
        assert await roster.route(ONE) == first  # nor does it lapse like one


async def test_an_announcement_restores_what_redis_lost(redis_url: str) -> None:
    async with roster_at(redis_url) as roster:
        await roster.announce(card("w1", 2))
        await roster.place(ONE)
        await roster.settle(ONE, "w1")
        redis = Redis.from_url(redis_url)
        await redis.flushall()
        await redis.aclose()
        assert await roster.route(ONE) is None
        await roster.announce(card("w1", 2, live=1), [ONE])
        assert await roster.route(ONE) == Route(ONE, "w1", "ws://w1/link")
        await roster.place(call(2))
        with pytest.raises(NoWorker):
            await roster.place(call(3))


async def test_a_dropped_call_makes_room(redis_url: str) -> None:
    async with roster_at(redis_url) as roster:
        await roster.announce(card("w1", 1))
        for number in range(3):
            await roster.place(call(number))
            assert await roster.drop(call(number))
            assert not await roster.drop(call(number))
            await roster.place(call(number))
            await roster.settle(call(number), "w1")
            assert await roster.drop(call(number), "w1")


async def test_calls_spread_evenly_or_pack_closely(redis_url: str) -> None:
    async with roster_at(redis_url) as roster:
        for name in ("w1", "w2", "w3", "w4"):
            await roster.announce(card(name, 100))
        counts = spread(await placed(roster, 200))
        assert min(counts.values()) >= 40 and max(counts.values()) <= 60
    async with roster_at(redis_url, placement=Placement.PACK) as roster:
        for number in range(200):
            await roster.drop(call(number))
        counts = spread(await placed(roster, 150))
        assert sorted(counts.values()) == [50, 100]


async def test_the_same_chance_places_alike(redis_url: str) -> None:
    async with roster_at(redis_url) as roster:
        for number in range(8):
            await roster.announce(card(f"w{number}"))
        chosen = []
        for seed in (1, 1, 2, 3, 4, 5):
            chosen.append((await roster.place(ONE, seed=seed)).worker_id)
            await roster.drop(ONE)
        assert chosen[0] == chosen[1]
        assert len(set(chosen)) > 1


async def test_workers_of_the_own_zone_come_first_while_they_have_room(redis_url: str) -> None:
    for policy in Placement:
        async with roster_at(redis_url, zone="b", placement=policy) as roster:
            calls = [CallId(f"{policy}-{number}") for number in range(5)]
            for name, zone in (("w1", "a"), ("w2", "b"), ("w3", ""), ("w4", "b")):
                await roster.announce(card(name, 2, zone=zone))
            found = [(await roster.place(each)).worker_id for each in calls]
            assert sorted(found[:4]) == ["w2", "w2", "w4", "w4"]
            assert found[4] in ("w1", "w3")
            for each in calls:
                await roster.drop(each)


async def test_redis_away_is_a_fault_of_the_store() -> None:
    async with roster_at("redis://127.0.0.1:1") as roster:
        with pytest.raises(StoreFault) as away:
            await roster.place(ONE)
        assert away.value.again and away.value.whose == "store"


async def test_nothing_is_left_of_a_worker_long_gone(redis_url: str) -> None:
    async with roster_at(redis_url, reservation_s=0.5, route_s=0.5) as roster:
        await roster.announce(card("w1"))
        await roster.place(ONE)
        await roster.settle(ONE, "w1")
        await roster.withdraw("w1")
        await asyncio.sleep(0.7)
        redis = Redis.from_url(redis_url)
        assert await redis.keys("*") == []
        await redis.aclose()
