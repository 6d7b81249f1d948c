"""A worker among others: full, draining, fenced, abandoned by its link or by Redis."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from callfleet.calls import EndReason
from callfleet.errors import NoWorker
from tests.integration.worker_scene import Scene, a_worker
from tests.redis_server import RedisServer


async def test_a_full_worker_refuses_and_takes_again_when_a_call_ended(redis_url: str) -> None:
    async with a_worker(redis_url, slots=1) as scene:
        first = await scene.call()
        await first.hears(1)
        with pytest.raises(NoWorker):
            await scene.call()
        first.hang_up()
        await _until_idle(scene)
        second = await scene.call()
        await second.hears(1)
        second.hang_up()


async def test_an_agent_nobody_knows_here_may_be_known_elsewhere(redis_url: str) -> None:
    async with a_worker(redis_url) as scene:
        with pytest.raises(NoWorker):
            await scene.call(scene.start_of(agent="nobody"))


async def test_draining_lets_calls_finish_and_takes_no_more(redis_url: str) -> None:
    async with a_worker(redis_url) as scene:
        phone = await scene.call()
        await phone.hears(1)
        drained = asyncio.create_task(scene.worker.drain())
        await _until(lambda: _draining(scene))
        with pytest.raises(NoWorker):
            await scene.call()
        assert not drained.done()
        phone.hang_up()
        async with asyncio.timeout(10):
            await drained


async def test_at_the_deadline_calls_end_as_drained(redis_url: str) -> None:
    async with a_worker(redis_url) as scene:
        start = scene.start_of()
        phone = await scene.call(start)
        await phone.hears(1)
        await scene.worker.stop()
        assert await phone.is_hung_up() is EndReason.DRAINED
        record = await scene.ended(start.call_id)
        assert record.end is not None
        assert record.end.reason is EndReason.DRAINED


async def test_who_adopts_a_call_fences_its_former_worker(redis_url: str) -> None:
    async with a_worker(redis_url) as scene:
        start = scene.start_of()
        phone = await scene.call(start)
        await phone.hears(1)
        lease = await scene.slots.adopt("main", "receptionist", start.call_id, holder="worker-2")
        await scene.journal.open(start, lease.token)
        await phone.say("Are you still there?")  # its words are what the old worker may not write
        await _until(lambda: _sessions(scene, 0))
        record = await scene.journal.read(start.call_id)
        assert record is not None
        assert record.end is None
        assert [turn.role for turn in record.turns] == ["agent"]
        assert (await scene.slots.usage("main")).holders == {"worker-2": 1}


async def test_a_call_whose_route_went_elsewhere_is_let_go(redis_url: str) -> None:
    async with a_worker(redis_url) as scene:
        start = scene.start_of()
        phone = await scene.call(start)
        await phone.hears(1)
        phone.hang_up(EndReason.SLOT_LOST)  # the gateway gave the call to another worker
        await _until(lambda: _sessions(scene, 0))
        record = await scene.journal.read(start.call_id)
        assert record is not None
        assert record.end is None


async def test_a_lost_link_ends_its_calls(redis_url: str) -> None:
    async with a_worker(redis_url) as scene:
        start = scene.start_of()
        phone = await scene.call(start)
        await phone.hears(1)
        await scene.dialler.stop()
        record = await scene.ended(start.call_id)
        assert record.end is not None
        assert record.end.reason is EndReason.LEG_LOST


async def test_redis_restarted_is_not_noticed_by_a_running_call() -> None:
    with RedisServer() as server:
        async with a_worker(server.url) as scene:
            start = scene.start_of()
            phone = await scene.call(start)
            await phone.hears(1)
            server.restart()
            await phone.say("What are your prices?")
            answer = await phone.hears(2)
            phone.hang_up()
            record = await scene.ended(start.call_id)

    assert [turn.text for turn in record.turns][1:] == ["What are your prices?", answer]


async def _until_idle(scene: Scene) -> None:
    await _until(lambda: _sessions(scene, 0))


async def _sessions(scene: Scene, count: int) -> bool:
    return bool(scene.api.state()["sessions"]["live"] == count)


async def _draining(scene: Scene) -> bool:
    return any(card.draining for card in await scene.roster.workers())


async def _until(seen: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await seen():  # noqa: ASYNC110 # what is seen is in another process
            await asyncio.sleep(0.02)
