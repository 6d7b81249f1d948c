"""A call that comes while Redis is away, where the file lets each worker admit its share."""

import asyncio

from callfleet.calls import EndReason
from tests.integration.worker_scene import CONFIG, Scene, a_worker
from tests.redis_server import RedisServer

SHARED = CONFIG.replace("{sessions: 4}", "{sessions: 4, redis_away: share}")


async def registered(scene: Scene, count: int) -> None:
    async with asyncio.timeout(30):
        while (await scene.slots.usage("main")).live != count:  # noqa: ASYNC110 # in Redis
            await asyncio.sleep(0.05)


async def test_it_is_answered_and_registered_when_redis_is_back() -> None:
    with RedisServer() as server:
        async with a_worker(server.url, conf=SHARED) as scene:
            server.kill()
            start = scene.start_of()
            phone = await scene.call(start)
            greeting = await phone.hears(1)
            server.start()
            await registered(scene, 1)
            await phone.say("What are your prices?")
            answer = await phone.hears(2)
            phone.hang_up()
            record = await scene.ended(start.call_id)
    said = [(turn.role, turn.text) for turn in record.turns]
    assert said == [("agent", greeting), ("caller", "What are your prices?"), ("agent", answer)]


async def test_it_is_recorded_though_it_was_over_before_redis_was_back() -> None:
    with RedisServer() as server:
        async with a_worker(server.url, conf=SHARED) as scene:
            server.kill()
            start = scene.start_of()
            phone = await scene.call(start)
            greeting = await phone.hears(1)
            phone.hang_up()
            server.start()
            record = await scene.ended(start.call_id)
            await registered(scene, 0)
    assert [turn.text for turn in record.turns] == [greeting]
    assert record.end is not None and record.end.reason is EndReason.CALLER_HUNG_UP


async def test_beyond_the_share_it_is_turned_away() -> None:
    with RedisServer() as server:
        async with a_worker(server.url, conf=SHARED) as scene:
            server.kill()
            phones = [await scene.call() for _ in range(2)]  # 3 of the agent's own, less a fifth
            for phone in phones:
                await phone.hears(1)
            turned_away = await scene.call()
            assert await turned_away.is_hung_up() is EndReason.NO_SLOT
            server.start()
            for phone in phones:
                phone.hang_up()
            await registered(scene, 0)
