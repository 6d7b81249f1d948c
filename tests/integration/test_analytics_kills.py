"""Analytics processes killed again and again in the middle of their work: each call once."""

import asyncio
import random
import secrets
import signal
import sys
from pathlib import Path

import pytest

from simulators.chat import ChatSimulator
from simulators.child import Child
from tests.analytics_fleet import CONFIG, end_calls, until, watching
from tests.analytics_scene import KEYS

CALLS = 60
KILLS = 4
CHANCE = random.Random(11)


class Worker:
    """`callfleet analytics` as a process, started again each time it is killed."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self._directory = directory
        self._environment = environment
        self.child = self._born()

    def _born(self) -> Child:
        command = [sys.executable, "-m", "services.cli", "analytics"]
        log = self._directory / f"{secrets.token_hex(4)}.log"
        return Child("analytics", command, self._environment, log)

    async def die(self) -> None:
        self.child.send(signal.SIGKILL)
        await self.child.gone()

    async def die_and_rise(self) -> None:
        await self.die()
        self.child = self._born()


@pytest.mark.parametrize("fails", [False, True], ids=["healthy-api", "failing-api"])
async def test_processes_that_are_killed_record_and_score_each_call_once(
    redis_url: str, database_url: str, tmp_path: Path, fails: bool
) -> None:
    (tmp_path / "callfleet.yaml").write_text(CONFIG)
    async with ChatSimulator() as api, watching(database_url) as watcher:
        api.arm("slow", times=20, delay_s=0.2)
        for point in ("server_error", "reset", "length", "garbage", "rate_limited")[: 5 * fails]:
            api.arm(point, times=4)
        environment = _environment(redis_url, database_url, api, tmp_path)
        workers = [Worker(tmp_path, environment) for _ in range(2)]
        try:
            names = await end_calls(redis_url, range(CALLS), triggered=lambda n: n % 3 > 0)
            for _ in range(KILLS):
                victim = CHANCE.choice(workers)
                await victim.child.until_ready()
                await asyncio.sleep(CHANCE.random())
                await victim.die_and_rise()
            await until(lambda: watcher.all_scored(names))
        finally:
            for worker in workers:
                await worker.die()
        assert await watcher.counts() == [CALLS, 4 * CALLS, CALLS]


# A recording that was killed waits for arq's own timeout.
test_processes_that_are_killed_record_and_score_each_call_once.limit_s = 150  # type: ignore[attr-defined] # read by conftest


def _environment(
    redis_url: str, database_url: str, api: ChatSimulator, directory: Path
) -> dict[str, str]:
    return {
        "REDIS_URL": redis_url,
        "DATABASE_URL": database_url,
        "OPENAI_API_KEY": "sk-simulated",
        "OPENAI_BASE_URL": api.url,
        "CALLFLEET_CONFIG": str(directory / "callfleet.yaml"),
        "CALLFLEET_SECRET": "s" * 16,
        "CALLFLEET_ENCRYPTION_KEYS": KEYS,
        "CALLFLEET_PRIVATE_HOST": "127.0.0.1",
        "CALLFLEET_PRIVATE_PORT": "0",
        "CALLFLEET_LOG_FORMAT": "json",
        "CALLFLEET_SWEEP_S": "0.3",
        "CALLFLEET_SCORING_LIMIT_S": "1",
        "CALLFLEET_SCORING_BACKOFF_S": "0.1",
        "CALLFLEET_SCORING_ATTEMPTS": "50",
        "CALLFLEET_ANALYTICS_JOBS": "5",
    }
