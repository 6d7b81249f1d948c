"""Whole lives of a call in a world in memory, under virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from callfleet.calls import EndReason
from services.worker.call import Call
from tests.unit.worker.world import World
from tests.virtual_time import run

BEGINNING = ["adopt slot", "open journal", "settle route", "open session"]
END = ["close session", "end journal", "close stream", "tell analytics"]

Story = Callable[[World, Call], Awaitable[None]]


def lived(story: Story) -> World:
    """A call from the moment the worker took it to its end, while `story` happens to it."""

    async def both() -> World:
        there = World()
        call = there.call()
        async with asyncio.timeout(1000), asyncio.TaskGroup() as tasks:
            tasks.create_task(call.live())
            tasks.create_task(_coroutine(story(there, call)))
        return there

    return run(both())


async def _coroutine(story: Awaitable[None]) -> None:
    await story


def in_world(make: Callable[[], Coroutine[Any, Any, World]]) -> World:
    return run(make())


async def hang_up(world: World, call: Call) -> None:
    await asyncio.sleep(1)
    call.talk.on_close(EndReason.CALLER_HUNG_UP)
