"""Waiting while things break: Redis away before, between and during; two gateways for one call."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from callfleet.calls import EndReason
from callfleet.config import load_config
from callfleet.journal_entries import Note
from services.gateway.app import Gateway
from simulators.phone_report import CallReport
from tests.integration.gateway_scene import CLINIC, PUBLIC, SALON, Scene, scene, settings, until
from tests.integration.test_gateway_waiting import GREETED, STAYS, music, taken, waiting, yaml
from tests.redis_server import RedisServer

CALLER = "+15550100200"
SECURE = PUBLIC.replace("https://", "wss://")


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server that this test may hurt."""
    with RedisServer() as server:
        yield server


def heard(report: CallReport) -> list[str]:
    return [turn.text for turn in report.heard if turn.who == "agent"]


async def test_redis_away_callers_wait_for_it(own_redis: RedisServer) -> None:
    """Hold sound at once; the agent as soon as Redis answers again."""
    async with scene(own_redis.url, yaml=yaml()) as fleet:
        await asyncio.to_thread(own_redis.close)
        placing = asyncio.create_task(fleet.company.place(CALLER, CLINIC, GREETED))
        await until(lambda: bool(fleet.company.calls))
        await music(placing, fleet, 1500)
        full = await fleet.company.place(CALLER, SALON, STAYS)
        again = RedisServer(port=own_redis.port)
        await asyncio.to_thread(again.start)
        try:
            report = await placing
            await until(lambda: fleet.gateway.legs == 0)
            await until_recorded(fleet)
            names = await fleet.journal.finished(10)
            ended = [await fleet.journal.ended(name) for name in names]
        finally:
            await asyncio.to_thread(again.close)
    assert heard(report) == ["Hello from the clinic"]
    assert report.violations == full.violations == []
    assert full.spoken_by_twiml == ["Nobody is free."], "as many as may wait, and no more"
    assert EndReason.NO_SLOT in ended, "written down when Redis was back"


async def until_recorded(fleet: Scene) -> None:
    while not await fleet.journal.finished(10):  # noqa: ASYNC110 # no event for it
        await asyncio.sleep(0.05)


async def test_redis_away_for_longer_than_patience(own_redis: RedisServer) -> None:
    queue = "queue: {max_waiting: 2, max_wait_s: 2}"
    async with scene(own_redis.url, yaml=yaml(queue)) as fleet:
        await asyncio.to_thread(own_redis.close)
        told = await fleet.company.place(CALLER, SALON, STAYS)
    assert told.spoken_by_twiml == ["Nobody is free."]
    assert told.other_sound_ms > 500
    assert told.violations == []


async def test_redis_away_and_a_share_for_each_worker(own_redis: RedisServer) -> None:
    """The call goes to a worker that was seen before; whether it has room is that one's to say."""
    async with scene(own_redis.url, yaml=yaml("redis_away: share")) as fleet:
        await asyncio.sleep(2.5)  # the gateway looks at the roster every two seconds
        await asyncio.to_thread(own_redis.close)
        report = await fleet.company.place(CALLER, CLINIC, GREETED)
    assert heard(report) == ["Hello from the clinic"]
    assert report.violations == []


async def test_redis_away_while_a_caller_waits(own_redis: RedisServer) -> None:
    """The music plays on; the promise to call back is kept for when Redis is back."""
    queue = "queue: {max_waiting: 1, max_wait_s: 4}"
    overflow = '{call_back: "We will call you back."}'
    async with scene(own_redis.url, yaml=yaml(queue, overflow=overflow)) as fleet:
        await taken(fleet)
        placing = asyncio.create_task(fleet.company.place(CALLER, SALON, STAYS))
        await waiting(fleet)
        await music(placing, fleet)
        await asyncio.to_thread(own_redis.close)
        report = await placing
        again = RedisServer(port=own_redis.port)
        await asyncio.to_thread(again.start)
        try:
            await until_recorded(fleet)
            (name,) = await fleet.journal.finished(10)
            record = await fleet.journal.read(name)
        finally:
            await asyncio.to_thread(again.close)
    assert report.spoken_by_twiml == ["We will call you back."]
    assert report.other_sound_ms > 2500
    assert record is not None and record.end is not None
    assert record.end.reason is EndReason.NO_SLOT
    assert [entry.kind for entry in record.entries if isinstance(entry, Note)] == [
        "call_back_requested"
    ]


@asynccontextmanager
async def second_gateway(redis_url: str, text: str) -> AsyncIterator[Gateway]:
    gateway = Gateway(settings(redis_url), load_config(text))
    await gateway.start()
    running = asyncio.create_task(gateway.run())
    try:
        yield gateway
    finally:
        await gateway.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_the_stream_may_come_to_another_gateway(redis_url: str) -> None:
    """The place is kept, rank and all; the first gateway lets go of it and nothing else."""
    text = yaml("queue: {max_waiting: 3, max_wait_s: 30}")
    async with second_gateway(redis_url, text) as other:
        media = {SECURE: other.addresses()["public_url"].replace("http", "ws", 1)}
        async with scene(redis_url, yaml=text, rewrites=media) as fleet:
            fleet.worker.adopts = True
            lease = await taken(fleet)
            first = asyncio.create_task(fleet.company.place(CALLER, CLINIC, GREETED))
            await waiting(fleet, 1)
            second = asyncio.create_task(fleet.company.place(CALLER, SALON, GREETED))
            await waiting(fleet, 2)
            await until(lambda: other.legs == 2)
            await asyncio.sleep(4)  # longer than a place lives that nobody keeps
            assert (await fleet.slots.usage("main")).waiting == 2
            assert (fleet.gateway.legs, other.legs) == (0, 2)
            await fleet.slots.release(lease)
            report = await first
            assert heard(report) == ["Hello from the clinic"]
            assert not second.done(), "one slot, one call"
            leased = fleet.worker.guests[0].lease
            assert leased is not None
            await fleet.slots.release(leased)
            assert heard(await second) == ["Hello from the clinic"]
    assert [guest.start.agent for guest in fleet.worker.guests] == ["clinic", "salon"]
