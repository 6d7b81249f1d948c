"""What a link does about a peer that is frozen, killed, slow or flooding."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from callfleet import link
from callfleet.calls import EndReason
from callfleet.errors import LinkFault
from callfleet.link import Mark
from tests.integration.link_scene import WORKER, Desk, Receiver, a_start, dialler, until

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def child() -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A worker's link in another process, and its URL."""
    module = "tests.integration.link_frozen_worker"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, WORKER),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("blow", [signal.SIGSTOP, signal.SIGKILL])
async def test_a_frozen_or_killed_worker_is_noticed(blow: signal.Signals) -> None:
    async with child() as (process, url), dialler() as gateway:
        legs = [Receiver() for _ in range(3)]
        streams = [await gateway.open(WORKER, url, a_start(n), leg) for n, leg in enumerate(legs)]
        streams[0].send_audio(b"are you there?")
        await until(lambda: legs[0].audio == b"are you there?")
        process.send_signal(blow)
        await asyncio.gather(*(leg.over.wait() for leg in legs))
        assert [leg.told for leg in legs] == [["lost"]] * 3
        assert gateway.totals.connections_lost == 1
        with pytest.raises(LinkFault):
            await gateway.open(WORKER, url, a_start(9), Receiver())


async def test_a_machine_that_slept_keeps_its_calls() -> None:
    """Both ends stood still, so each finds the other's silence to be its own."""
    async with child() as (process, url), dialler() as gateway:
        leg = Receiver()
        stream = await gateway.open(WORKER, url, a_start(), leg)
        process.send_signal(signal.SIGSTOP)
        time.sleep(2.5)  # noqa: ASYNC251 # the loop is meant to stand still
        process.send_signal(signal.SIGCONT)
        stream.send_audio(b"still here")
        await until(lambda: leg.audio == b"still here" or leg.over.is_set())
        await asyncio.sleep(0.5)
        assert leg.told == []


async def test_a_slow_link_drops_the_callers_oldest_audio_and_nothing_else() -> None:
    async with Desk().open() as desk, dialler() as gateway:
        leg = Receiver()
        stream = await gateway.open(WORKER, desk.url, a_start(), leg)
        other = await gateway.open(WORKER, desk.url, a_start(2), Receiver())
        frames = [bytes([n]) * 160 for n in range(200)]  # 4 s, in one turn of the loop
        for n, frame in enumerate(frames):
            stream.send_audio(frame)
            if n % 50 == 0:
                stream.send(Mark(str(n)))
                other.send_audio(frame)
        kept = link.CALLER_AUDIO_BOUND // 160
        (_, _, call), (_, _, neighbour) = desk.taken
        await until(lambda: len(call.told) == 4 and len(call.audio) >= kept * 160)
        assert call.audio == b"".join(frames[-kept:])
        assert call.told == ["mark 0", "mark 50", "mark 100", "mark 150"]
        assert gateway.totals.audio_dropped == len(frames) - kept
        assert neighbour.audio == b"".join(frames[::50])


async def test_an_agents_audio_is_never_thinned_out_its_stream_ends_instead() -> None:
    async with Desk().open() as desk, dialler() as gateway:
        leg, neighbour = Receiver(), Receiver()
        await gateway.open(WORKER, desk.url, a_start(), leg)
        await gateway.open(WORKER, desk.url, a_start(2), neighbour)
        (_, flood, call), (_, calm, _) = desk.taken
        calm.send_audio(b"hello")
        for _ in range(link.AGENT_AUDIO_BOUND // 50_000 + 1):
            flood.send_audio(b"x" * 50_000)
        await leg.over.wait()
        assert (leg.told, call.told) == (["close internal_error"], ["close internal_error"])
        assert not flood.is_open
        calm.send_audio(b" again")
        await until(lambda: neighbour.audio == b"hello again")
        assert desk.server.totals.streams_expelled == 1
        assert calm.is_open


async def test_a_peer_that_does_not_read_costs_bounded_memory_and_then_the_link() -> None:
    async with child() as (process, url), dialler() as gateway:
        legs = [Receiver() for _ in range(60)]
        streams = [await gateway.open(WORKER, url, a_start(n), leg) for n, leg in enumerate(legs)]
        process.send_signal(signal.SIGSTOP)
        most = 0
        connection = streams[0]._outlet
        while not all(leg.over.is_set() for leg in legs):  # 200 times real time
            for stream in streams:
                stream.send_audio(b"x" * 8000)
            most = max(most, connection._out_bytes)  # type: ignore[union-attr] # the real connection
            await asyncio.sleep(0.005)
        assert most <= 60 * (link.CALLER_AUDIO_BOUND + 9000)
        assert [leg.told for leg in legs] == [["lost"]] * 60


async def test_a_lying_peer_loses_the_link_and_a_confused_one_its_stream() -> None:
    async with Desk().open() as desk, dialler() as gateway:
        legs = [Receiver(), Receiver()]
        streams = [
            await gateway.open(WORKER, desk.url, a_start(n), leg) for n, leg in enumerate(legs)
        ]
        outlet = streams[0]._outlet
        assert outlet is not None
        outlet.put(link.raw(link.Kind.DTMF, streams[0].id, b"no key"))
        await legs[0].over.wait()
        assert legs[0].told == ["close internal_error"]
        streams[1].send_audio(b"well")
        await until(lambda: desk.taken[1][2].audio == b"well")
        outlet.put(b"\x01\x00\x00\x00\xff\xff\xff\x07only this much")
        await legs[1].over.wait()
        assert legs[1].told == ["lost"]
        assert desk.taken[1][2].told == ["lost"]


async def test_what_a_newer_peer_adds_is_passed_over() -> None:
    async with Desk().open() as desk, dialler() as gateway:
        stream = await gateway.open(WORKER, desk.url, a_start(), Receiver())
        outlet = stream._outlet
        assert outlet is not None
        for target in (0, stream.id, 77):
            outlet.put(b"".join((target.to_bytes(4, "little"), b"\x03\x00\x00\xc8", b"new")))
        stream.close(EndReason.CALLER_HUNG_UP)
        call = desk.taken[0][2]
        await call.over.wait()
        assert call.told == ["close caller_hung_up"]
        assert desk.server.totals.frames_ignored == 3
