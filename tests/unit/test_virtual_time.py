"""The clock that tests of the worker run on."""

import asyncio

import pytest

from tests.virtual_time import Deadlock, run


def test_hours_pass_at_once_and_in_order() -> None:
    async def sleepers() -> list[tuple[float, str]]:
        loop = asyncio.get_running_loop()
        woken: list[tuple[float, str]] = []

        async def sleeper(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            woken.append((loop.time(), name))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sleeper("hour", 3600))
            tasks.create_task(sleeper("blink", 0.1))
        return woken

    assert run(sleepers()) == [(0.1, "blink"), (3600, "hour")]


def test_a_limit_is_kept() -> None:
    async def too_long() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(60)
        return asyncio.get_running_loop().time()

    assert run(too_long()) == 5


def test_a_deadlock_is_reported() -> None:
    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock):
        run(forever())


def test_a_task_left_behind_is_reported() -> None:
    async def careless() -> asyncio.Task[None]:
        return asyncio.create_task(asyncio.sleep(1))

    with pytest.raises(AssertionError, match="left running"):
        run(careless())
