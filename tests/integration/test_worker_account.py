"""The API's refusals reach the semaphore: the limit backs off, the circuit opens and closes."""

import asyncio
from collections.abc import Callable

import pytest

from callfleet.calls import EndReason, new_call_id
from callfleet.slots import Circuit, Full, Refusal, Scope, Usage
from tests.integration.worker_scene import CONFIG, Scene, a_worker


async def seen(scene: Scene, wished: Callable[[Usage], bool]) -> Usage:
    async with asyncio.timeout(20):
        while not wished(usage := await scene.slots.usage("main")):  # noqa: ASYNC110 # in Redis
            await asyncio.sleep(0.02)
        return usage


async def refused_call(scene: Scene, row: str) -> None:
    scene.api.arm("refuse", 1, row=row)
    phone = await scene.call()
    assert await phone.is_hung_up() is not None
    assert phone.played, "no apology"


@pytest.mark.parametrize(
    "row", ["invalid_api_key", "insufficient_quota", "billing_hard_limit_reached"]
)
async def test_a_key_that_is_not_taken_keeps_further_callers_from_finding_out(
    redis_url: str, row: str
) -> None:
    async with a_worker(redis_url) as scene:
        await refused_call(scene, row)
        usage = await seen(scene, lambda usage: usage.circuit is Circuit.OPEN)
        assert usage.circuit_reason == row
        call = new_call_id(1, b"0123456789")
        answer = await scene.slots.acquire("main", "receptionist", call, holder="gateway")
        assert answer == Full(Scope.CIRCUIT)


async def test_a_model_nobody_knows_is_its_agents_mistake(redis_url: str) -> None:
    async with a_worker(redis_url) as scene:
        await refused_call(scene, "model_not_found")
        phone = await scene.call()
        await phone.hears(1)
        phone.hang_up()
        assert (await scene.slots.usage("main")).circuit is Circuit.CLOSED


async def test_too_many_sessions_make_the_org_back_off(redis_url: str) -> None:
    conf = CONFIG.replace("sessions: 4", "sessions: 40")
    async with a_worker(redis_url, conf=conf) as scene:
        scene.api.arm("refuse", 1, row="too_many_sessions")
        phone = await scene.call()
        usage = await seen(scene, lambda usage: usage.effective_limit != 40)
        assert usage.effective_limit is not None and usage.effective_limit <= 4
        assert usage.totals[f"api_{Refusal.RATE_LIMIT.value}"] == 1
        await phone.hears(1)  # it is asked for again, and had
        phone.hang_up()


async def test_the_first_answered_caller_closes_the_circuit(redis_url: str) -> None:
    async with a_worker(redis_url) as scene:
        await scene.slots.open_circuit("main", "insufficient_quota", for_s=1)
        await scene.worker._keeper.beat("main")  # how the worker hears of it
        phone = await scene.call()  # it had its slot before
        await phone.hears(1)
        await seen(scene, lambda usage: usage.circuit is Circuit.HALF)
        later = await scene.call()
        await later.hears(1)
        await seen(scene, lambda usage: usage.circuit is Circuit.CLOSED)
        assert phone.ended is later.ended is None
        for each in (phone, later):
            each.hang_up(EndReason.CALLER_HUNG_UP)


async def test_what_answers_cost_is_counted_against_the_budget(redis_url: str) -> None:
    conf = CONFIG.replace("{sessions: 4}", "{sessions: 4, tokens_per_minute: 100000}")
    async with a_worker(redis_url, conf=conf) as scene:
        phone = await scene.call()
        await phone.hears(1)
        await scene.worker._keeper.beat("main")
        usage = await seen(scene, lambda usage: usage.token_rate > 0)
        assert usage.tokens_per_minute == 100_000
        phone.hang_up()
