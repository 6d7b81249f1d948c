"""Redis gone or frozen: callers get the overflow or a sentence, never an error or silence."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from callfleet.calls import CallId, EndReason
from callfleet.config import load_config
from callfleet.service import redis_pool
from services.gateway.app import Gateway
from services.gateway.callbook import KEPT_S, CallBook, key_of
from simulators.phone_scripts import HangUp, Script, Speak, Step, Wait
from tests.integration.gateway_scene import CLINIC, SALON, YAML, scene, settings
from tests.redis_server import RedisServer

CALLER = "+15550100200"


def a_script(*steps: Step) -> Script:
    return Script("test", steps, patience_ms=20_000)


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server that this test may hurt."""
    with RedisServer() as server:
        yield server


async def test_redis_gone_before_a_call_means_the_overflow(own_redis: RedisServer) -> None:
    async with scene(own_redis.url) as fleet:
        await asyncio.to_thread(own_redis.close)
        told = await fleet.company.place(CALLER, SALON, a_script(Wait(20_000)))
        dialled = await fleet.company.place(CALLER, CLINIC, a_script(Wait(20_000)))
    assert [each.status for each in told.twiml_log] == [200]
    assert told.spoken_by_twiml == ["Nobody is free."]
    assert [leg.address for leg in dialled.dialled] == ["+15550100"]
    assert told.violations == dialled.violations == []


async def test_redis_gone_during_a_call_changes_nothing_for_the_caller(
    own_redis: RedisServer,
) -> None:
    async with scene(own_redis.url) as fleet:
        script = a_script(Wait(500), Speak("Can you still hear me"), Wait(2500), HangUp())
        placing = asyncio.create_task(fleet.company.place(CALLER, CLINIC, script))
        await fleet.worker.came.wait()
        await asyncio.to_thread(own_redis.close)
        report = await placing
    assert report.violations == []
    assert [turn.text for turn in report.heard][-1] == "You said Can you still hear me"


async def test_a_call_that_ended_while_redis_is_away_is_not_called_back(
    own_redis: RedisServer,
) -> None:
    """This gateway saw the end itself, so it needs nobody to tell it."""
    async with scene(own_redis.url) as fleet:
        placing = asyncio.create_task(fleet.company.place(CALLER, CLINIC, a_script(Wait(20_000))))
        await fleet.worker.came.wait()
        await asyncio.to_thread(own_redis.close)
        fleet.worker.guests[0].stream.close(EndReason.AGENT_HUNG_UP)
        report = await placing
    assert report.ended_by == "twiml_hangup"
    assert report.spoken_by_twiml == []


async def test_redis_frozen_still_gets_an_answer(own_redis: RedisServer) -> None:
    async with scene(own_redis.url) as fleet:
        os.kill(own_redis.pid, signal.SIGSTOP)
        try:
            report = await fleet.company.place(CALLER, SALON, a_script(Wait(20_000)))
        finally:
            os.kill(own_redis.pid, signal.SIGCONT)
    assert [each.status for each in report.twiml_log] == [200]
    assert report.spoken_by_twiml == ["Nobody is free."]


async def test_a_gateway_starts_while_redis_is_away(own_redis: RedisServer) -> None:
    await asyncio.to_thread(own_redis.close)
    gateway = Gateway(settings(own_redis.url), load_config(YAML))
    await gateway.start()
    check = gateway.checks()["redis"]
    with pytest.raises(Exception, match="Redis did not answer"):
        await check()
    await gateway.stop()


async def test_what_gateways_tell_one_another(redis_url: str) -> None:
    pool = redis_pool(redis_url)
    one, other = CallBook(pool), CallBook(pool)
    assert await one.token("CA1") is None
    assert await one.keep_token("CA1", "first") == "first"
    assert await other.keep_token("CA1", "second") == "first"
    assert await other.token("CA1") == "first"
    answers = await asyncio.gather(*(book.use("CA1", "d") for book in (one, other) for _ in "ab"))
    assert sorted(answers) == [False, False, False, True]
    assert await other.use("CA1", "e")
    await one.note_end("CA1", EndReason.DRAINED)
    assert await one.ended("CA1") is await other.ended("CA1") is EndReason.DRAINED
    assert await other.ended("CA2") is None
    assert 0 < await pool.ttl(key_of("CA1")) <= KEPT_S
    assert await pool.keys("*") == [key_of("CA1").encode()]
    await pool.aclose()


async def test_a_slot_asked_for_twice_is_one_slot(redis_url: str) -> None:
    async with scene(redis_url) as fleet:
        names = [CallId("c" + "0" * 25 + str(n)) for n in (1, 1, 2)]
        for name in names:
            await fleet.slots.acquire("main", "clinic", name, holder="gateway:test")
        assert (await fleet.slots.usage("main")).live == 2
