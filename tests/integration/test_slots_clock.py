"""A real redis-server whose wall clock jumps by a minute, either way, under holders and waiters."""

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from callfleet.calls import CallId
from callfleet.slots import Beat, Full, OrgLimits
from tests.integration.test_slots_keeper import ORG, held, keeper_at, queued
from tests.redis_server import RedisServer

SOURCE = Path(__file__).parent.parent / "clock_jump.c"


class Clock:
    """The hands of one redis-server's clock."""

    def __init__(self, server: RedisServer, offset: Path) -> None:
        self.server = server
        self._offset = offset

    def jump(self, seconds: int) -> None:
        new = self._offset.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self._offset)  # never seen half written

    def now_s(self) -> int:
        with contextlib.closing(self.server.client()) as client:
            return int(client.time()[0])


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[Clock]:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no C compiler: CI must not pass without this test")
        pytest.skip("no C compiler to build the preload with")
    library, offset = tmp_path / "clock_jump.so", tmp_path / "offset"
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    offset.write_text("0")
    preload = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(offset)}
    with RedisServer(environment=preload) as server:
        yield Clock(server, offset)


@pytest.mark.parametrize("jump_s", [60, -60])
async def test_a_jump_frees_no_live_slot_and_lets_nobody_in(clock: Clock, jump_s: int) -> None:
    async with keeper_at(clock.server.url) as (slots, keeper, ear):
        await slots.configure(ORG, OrgLimits(2, max_waiting=5))
        seats = [(await held(slots, keeper, CallId(f"call-{n}")))[1] for n in range(2)]
        waiting = await queued(slots, keeper, CallId("call-2"))
        before_s = clock.now_s()
        clock.jump(jump_s)
        assert abs(clock.now_s() - before_s - jump_s) < 30, "the preload does nothing"
        newcomer = await slots.acquire(ORG, "a", CallId("call-3"), holder="elsewhere")
        assert isinstance(newcomer, Full)
        for _ in range(3):
            await ear.hears(lambda beat: isinstance(beat, Beat))
        usage = await slots.usage(ORG)
        assert (usage.live, usage.waiting, usage.over) == (2, 1, 0)
        assert not any(seat.gone.is_set() for seat in [*seats, waiting])


@pytest.mark.parametrize("jump_s", [60, -60])
async def test_the_slots_of_the_dead_come_back_in_their_time_all_the_same(
    clock: Clock, jump_s: int
) -> None:
    async with keeper_at(clock.server.url) as (slots, keeper, _):
        await slots.configure(ORG, OrgLimits(1, max_waiting=5))
        await slots.acquire(ORG, "a", CallId("call-1"), holder="dies")
        waiting = await queued(slots, keeper, CallId("call-2"))
        clock.jump(jump_s)
        async with asyncio.timeout(slots.lease_ttl_s + 10):
            assert (await waiting.lease).call_id == "call-2"
