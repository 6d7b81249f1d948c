"""Services follow the primary that Sentinels name, wherever it goes."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from callfleet.errors import StoreFault
from callfleet.service import ping, redis_pool
from tests.integration.test_redis_connection import cancelled_at_random
from tests.sentinels import Watched, watched_redis


@pytest.fixture
def redises() -> Iterator[Watched]:
    with watched_redis() as watched:
        yield watched


async def written(redis: Redis, value: str) -> None:
    """Sooner or later."""
    async with asyncio.timeout(25):
        while True:
            with contextlib.suppress(RedisError):
                await redis.set("key", value)
                return
            await asyncio.sleep(0.1)


async def test_a_dead_primarys_successor_is_found(redises: Watched) -> None:
    async with redis_pool(redises.url) as redis:
        await redis.set("key", "first")
        redises.until_replicated()
        redises.fail_over()
        await written(redis, "second")
        with contextlib.closing(redises.replica.client()) as successor:
            assert successor.get("key") == "second"


async def test_a_demoted_primary_is_left(redises: Watched) -> None:
    async with redis_pool(redises.url) as redis:
        await redis.set("key", "first")
        redises.hand_over()
        async with asyncio.timeout(25):
            with contextlib.closing(redises.replica.client()) as successor:
                while successor.get("key") != "second":  # both answer for a while
                    await written(redis, "second")
                    await asyncio.sleep(0.1)


async def test_a_frozen_sentinel_is_passed_over(redises: Watched) -> None:
    redises.sentinels[0].freeze()
    async with redis_pool(redises.url) as redis:
        await ping(redis)
    redises.sentinels[0].thaw()


async def test_a_name_no_sentinel_knows(redises: Watched) -> None:
    async with redis_pool(redises.url + "-other") as redis:
        with pytest.raises(StoreFault):
            await ping(redis)


async def test_a_cancelled_loop_of_commands_ends_here_too(redises: Watched) -> None:
    await cancelled_at_random(redises.url, times=100)
