"""A task that is cancelled while it talks to Redis ends, each time and at once."""

import asyncio
import random

from callfleet.service import redis_pool
from tests.redis_server import RedisServer


async def cancelled_at_random(url: str, *, times: int) -> None:
    redis = redis_pool(url)
    await redis.set("key", "value")  # a task may be cancelled before it is connected, each time

    async def for_ever() -> None:
        while True:
            await redis.set("key", "value")
            await redis.get("key")

    chance = random.Random(3)
    for _ in range(times):
        task = asyncio.create_task(for_ever())
        await asyncio.sleep(chance.random() * 0.004)
        task.cancel()
        _, running = await asyncio.wait({task}, timeout=10)
        assert not running, "the cancellation was forgotten"
        assert task.cancelled()
    assert await redis.get("key") == b"value", "and the connections are still in step"
    await redis.aclose()


async def test_a_cancelled_loop_of_commands_ends(redis_url: str) -> None:
    await cancelled_at_random(redis_url, times=400)


async def test_over_a_unix_socket_too() -> None:
    with RedisServer() as server:
        await cancelled_at_random(f"unix://{server.socket_path}", times=100)
