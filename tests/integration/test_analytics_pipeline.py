"""The whole analytics worker on a real Redis: from a finished journal to a score, each once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from callfleet.config import Config, load_config
from callfleet.service import redis_pool
from services.analytics.app import Analytics
from services.analytics.settings import AnalyticsSettings
from simulators.chat import ChatSimulator
from tests.analytics_fleet import CONFIG, end_calls, until, watching
from tests.analytics_scene import KEYS
from tests.redis_server import RedisServer


def config() -> Config:
    return load_config(CONFIG)


def settings(redis_url: str, database_url: str, api: ChatSimulator) -> AnalyticsSettings:
    return AnalyticsSettings(
        redis_url=redis_url, database_url=database_url, openai_api_key="sk-simulated",
        openai_base_url=api.url, secret="s" * 16, encryption_keys=KEYS, jobs=8, sweep_s=0.3,
        scoring_backoff_s=0.05, scoring_attempts=30, scoring_limit_s=5.0,
    )  # fmt: skip


@asynccontextmanager
async def running(given: AnalyticsSettings) -> AsyncIterator[Analytics]:
    service = Analytics(given, config())
    await service.start()
    loops = asyncio.create_task(service.run())
    try:
        yield service
        await service.drain()
    finally:
        loops.cancel()
        await asyncio.gather(loops, return_exceptions=True)
        await service.stop()


async def is_empty(redis_url: str) -> bool:
    """No journal and no job is left; how a call ended is kept for the carrier's question."""
    redis = redis_pool(redis_url)
    keys = [key.decode() async for key in redis.scan_iter("*")]
    await redis.aclose()
    return all(key.endswith(":ended") or "health" in key for key in keys)


async def test_each_ended_call_is_recorded_and_scored_once_hint_or_no_hint(
    redis_url: str, database_url: str
) -> None:
    async with ChatSimulator() as api, watching(database_url) as watcher:
        async with running(settings(redis_url, database_url, api)):
            names = await end_calls(redis_url, range(30), triggered=lambda n: n % 2 == 0)
            await until(lambda: watcher.all_scored(names))
            await until(lambda: is_empty(redis_url))  # a second hint is taken too, and does nothing
        assert await watcher.counts() == [30, 120, 30]
        assert len(api.requests) == 30 and api.violations == []


async def test_two_workers_share_the_work(redis_url: str, database_url: str) -> None:
    async with ChatSimulator() as api, watching(database_url) as watcher:
        given = settings(redis_url, database_url, api)
        names = await end_calls(redis_url, range(30))
        async with running(given), running(given):
            await until(lambda: watcher.all_scored(names))
        assert len(api.requests) == 30, "no call was asked about twice"


async def test_an_api_that_fails_in_every_way_delays_scores_and_doubles_none(
    redis_url: str, database_url: str
) -> None:
    async with ChatSimulator() as api, watching(database_url) as watcher:
        for point, options in _failures().items():
            api.arm(point, times=4, **options)
        async with running(settings(redis_url, database_url, api)):
            names = await end_calls(redis_url, range(40))
            await until(lambda: watcher.all_scored(names))
        assert await watcher.counts() == [40, 160, 40]
        assert api.state()["faults"] == [], "every fault was met"


def _failures() -> dict[str, dict[str, Any]]:
    passing = ("reset", "cut_body", "garbage", "length", "empty", "timeout")
    return {name: {} for name in passing} | {
        "rate_limited": {"retry_after_s": 0.1},
        "server_error": {"status": 503},
        "says": {"text": '{"lead_score": 100}'},
    }


# arq's pipelines lose their connection with their Redis, and say so when they are collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_redis_that_dies_and_comes_back(tmp_path: Path) -> None:
    database_url = f"sqlite:///{tmp_path / 'callfleet.db'}"
    with RedisServer(options={"appendonly": "yes", "appendfsync": "always"}) as redis:
        async with ChatSimulator() as api, watching(database_url) as watcher:
            api.arm("slow", times=1000, delay_s=0.2)
            async with running(settings(redis.url, database_url, api)) as service:
                names = await end_calls(redis.url, range(20))
                for _ in range(3):
                    await asyncio.sleep(0.4)  # somewhere in the middle of the work
                    redis.restart()
                names += await end_calls(redis.url, range(20, 30), triggered=lambda _n: False)
                await until(lambda: watcher.all_scored(names))
                for check in service.checks().values():
                    await check()
            assert await watcher.counts() == [30, 120, 30]


async def test_a_queue_that_is_lost_loses_no_call(redis_url: str, database_url: str) -> None:
    """Everything arq knows is deleted; the finished list and the status column know it all."""
    async with ChatSimulator() as api, watching(database_url) as watcher:
        names = await end_calls(redis_url, range(10))
        redis = redis_pool(redis_url)
        queue = [key async for key in redis.scan_iter("arq:*")]
        await redis.delete("callfleet:analytics", *queue)
        await redis.aclose()
        assert len(queue) == 10
        async with running(settings(redis_url, database_url, api)):
            await until(lambda: watcher.all_scored(names))


async def test_draining_finishes_what_was_begun_and_takes_no_more(
    redis_url: str, database_url: str
) -> None:
    async with ChatSimulator() as api, watching(database_url) as watcher:
        api.arm("slow", times=1000, delay_s=0.5)
        names = await end_calls(redis_url, range(30))
        async with running(settings(redis_url, database_url, api)):
            await until(lambda: _asked(api, 8))
        statuses = await watcher.statuses()
        assert "scoring" not in statuses.values()
        assert 0 < list(statuses.values()).count("scored") < 30
        async with running(settings(redis_url, database_url, api)):
            await until(lambda: watcher.all_scored(names))
        assert len(api.requests) == 30, "nothing was asked twice for having been drained"


async def _asked(api: ChatSimulator, count: int) -> bool:
    return len(api.requests) >= count


async def test_stopping_at_once_gives_claims_back(redis_url: str, database_url: str) -> None:
    async with ChatSimulator() as api, watching(database_url) as watcher:
        names = await end_calls(redis_url, range(4))
        api.arm("hang", times=4)
        service = Analytics(settings(redis_url, database_url, api), config())
        await service.start()
        loops = asyncio.create_task(service.run())
        await until(lambda: _asked(api, 4))
        loops.cancel()
        await asyncio.gather(loops, return_exceptions=True)
        await service.stop()
        assert await watcher.statuses() == dict.fromkeys(names, "recorded")
        async with running(settings(redis_url, database_url, api)):
            await until(lambda: watcher.all_scored(names))
