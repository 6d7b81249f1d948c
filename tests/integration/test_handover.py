"""The hint that a call has ended: queued once, in JSON, and harmless when Redis is away."""

import asyncio
import json

from callfleet.handover import EXPIRES_MS, QUEUE, RECORD_CALL, Handover
from callfleet.service import redis_pool
from tests.analytics_scene import call_id
from tests.redis_server import RedisServer


async def test_a_hint_is_queued_once_and_carries_an_id_only(redis_url: str) -> None:
    redis = redis_pool(redis_url)
    handover = Handover(redis)
    answers = await asyncio.gather(*(handover.record(call_id(1)) for _ in range(5)))
    assert answers == [True] * 5
    (job_id,) = await redis.zrange(QUEUE, 0, -1)
    job = await redis.get(b"arq:job:" + job_id)
    asked = json.loads(job)
    assert (asked["f"], asked["a"], asked["k"]) == (RECORD_CALL, [call_id(1)], {})
    assert 0 < await redis.pttl(b"arq:job:" + job_id) <= EXPIRES_MS
    await redis.aclose()


async def test_without_redis_it_says_so_and_raises_nothing() -> None:
    with RedisServer() as server:
        redis = redis_pool(server.url)
        server.kill()
        assert await Handover(redis).record(call_id(1)) is False
        await Handover(redis).finished(call_id(1))
        server.start()
        assert await Handover(redis).record(call_id(1)) is True
        await redis.aclose()


async def test_a_frozen_redis_holds_nobody_up_for_long() -> None:
    with RedisServer() as server:
        redis = redis_pool(server.url)
        await redis.ping()
        server.freeze()
        try:
            async with asyncio.timeout(20):
                assert await Handover(redis).record(call_id(1)) is False
        finally:
            server.thaw()
        await redis.aclose()
