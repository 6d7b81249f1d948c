"""The fleet's semaphore as Prometheus reads it off any worker."""

import asyncio
import contextlib

from prometheus_client import REGISTRY
from redis.asyncio import Redis

from callfleet import slots_metrics
from callfleet.calls import CallId
from callfleet.slots import OrgLimits, Refusal, Slots


def told(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"callfleet_slots_{name}", {"org": "main", **labels})


async def until_told(name: str, **labels: str) -> None:
    async with asyncio.timeout(20):
        while told(name, **labels) is None:  # noqa: ASYNC110 # a gauge wakes nobody
            await asyncio.sleep(0.02)


async def test_what_is_held_awaited_and_refused(redis_url: str) -> None:
    assert told("live", agent="a") is None  # asking is what makes the worker read
    async with Redis.from_url(redis_url) as redis:
        slots = Slots(redis)
        await slots.configure("main", OrgLimits(2, {"a": 1}, max_waiting=5, tokens_per_minute=10))
        for number, agent in enumerate(("a", "a", "removed")):
            call = CallId(f"c{number}")
            await slots.acquire("main", agent, call, holder="w", wait=True)
        await slots.report_refusal("main", Refusal.CAPACITY)
        await slots.open_circuit("main", "invalid_api_key")
        watching = asyncio.create_task(
            slots_metrics.watch(slots, {"main": frozenset({"a", "quiet"})})
        )
        await until_told("live", agent="a")
        watching.cancel()
        assert told("live", agent="a") == told("waiting", agent="a") == 1
        assert told("live", agent="quiet") == 0
        assert told("live", agent="other") == 1  # never a label that no file names
        assert (told("limit"), told("limit_effective")) == (2, 1)
        assert told("agent_limit", agent="a") == 1
        assert told("circuit_open") == told("api_refusals_total", kind="capacity") == 1
        assert told("granted_total") == 2
        assert told("tokens_per_minute_limit") == 10
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    assert told("live", agent="a") is None  # a process that left tells nothing old
