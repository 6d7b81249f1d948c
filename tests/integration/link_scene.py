"""Two ends of a link for tests: a worker's server on a free port, and receivers that remember."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from callfleet import link
from callfleet.calls import CallId, CallStart, EndReason, LegKind
from callfleet.link_dialler import LinkDialler
from callfleet.link_server import LinkServer
from callfleet.link_stream import Stream

SECRET = "a secret of the whole fleet"
WORKER = "worker-1"


def a_start(number: int = 1) -> CallStart:
    return CallStart(
        call_id=CallId(f"c{number:026d}"),
        org="main",
        agent="receptionist",
        leg=LegKind.TWILIO,
        caller="+15550001",
        called="+15550002",
        carrier_call_id=f"CA{number}",
        audio="audio/pcmu",
        started_at_ms=1,
    )


class Receiver:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.audio = bytearray()
        self.told: list[str] = []
        self.over = asyncio.Event()

    def on_audio(self, audio: bytes) -> None:
        self.audio += audio

    def on_mark(self, name: str) -> None:
        self.told.append(f"mark {name}")

    def on_clear(self) -> None:
        self.told.append("clear")

    def on_dtmf(self, digit: str) -> None:
        self.told.append(f"dtmf {digit}")

    def on_close(self, reason: EndReason) -> None:
        self.told.append(f"close {reason}")
        self.over.set()

    def on_lost(self) -> None:
        self.told.append("lost")
        self.over.set()


class Desk:
    """A worker that takes every call, unless `refusal` is set."""

    def __init__(self, *, worker_id: str = WORKER) -> None:
        self.taken: list[tuple[CallStart, Stream, Receiver]] = []
        self.refusal: Exception | None = None
        self.deaf = False  # takes no notice of OPEN
        self.make: Callable[[Stream], Receiver] = lambda stream: Receiver()
        self.server = LinkServer(SECRET, worker_id, self.take)
        self.url = ""

    def take(self, start: CallStart, stream: Stream) -> Receiver:
        if self.refusal is not None:
            raise self.refusal
        receiver = self.make(stream)
        self.taken.append((start, stream, receiver))
        return receiver

    @asynccontextmanager
    async def open(self, port: int = 0) -> AsyncIterator["Desk"]:
        app = web.Application()
        app.router.add_get(link.PATH, self.server.handle)
        runner = web.AppRunner(app, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.url = f"ws://127.0.0.1:{runner.addresses[0][1]}{link.PATH}"
        try:
            yield self
        finally:
            await self.server.stop()
            await runner.cleanup()


@asynccontextmanager
async def dialler(secret: str = SECRET, **options: float) -> AsyncIterator[LinkDialler]:
    dialling = LinkDialler(secret, **options)  # type: ignore[arg-type] # only limits are passed here
    try:
        yield dialling
    finally:
        await dialling.stop()


async def until(true: Callable[[], bool]) -> None:
    """Wait for something to become true; the test's own limit fails a hang."""
    while not true():  # noqa: ASYNC110 # what is waited for has no event
        await asyncio.sleep(0.005)
