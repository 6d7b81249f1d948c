"""A gateway with everything around it: real Redis, a phone company, and workers of our own making.

The gateway runs in this process through its composition root, bound to a free port; the workers are
real link servers that announce themselves in the real roster, and do what the test tells them.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio
from aiohttp import web

from callfleet import link
from callfleet.calls import CallStart, EndReason
from callfleet.config import Config, load_config
from callfleet.encryption import KeyRing
from callfleet.errors import StoreFault
from callfleet.journal import Journal
from callfleet.journal_entries import CallEnd
from callfleet.link import Mark
from callfleet.link_server import LinkServer
from callfleet.link_stream import Stream
from callfleet.roster import Roster, WorkerCard
from callfleet.service import redis_pool
from callfleet.slots import Lease, Slots
from services.gateway.app import Gateway
from services.gateway.settings import GatewaySettings
from simulators.phone import PhoneCompany
from simulators.speech import Ear, SpeechStopped, speak

PUBLIC = "https://voice.example.com"
SECRET = "a secret of the whole fleet"
AUTH_TOKEN = "the carrier's token"
KEYS = base64.b64encode(b"k" * 32).decode()
CLINIC, SALON, BUSY = "+15551230001", "+15551230002", "+15551230003"

YAML = f"""
orgs:
  main: {{sessions: 2}}
agents:
  clinic: {{org: main, instructions: Help., overflow: {{dial: "+15550100"}}}}
  salon: {{org: main, instructions: Help., overflow: {{say: "Nobody is free."}}}}
  busy: {{org: main, instructions: Help., overflow: {{busy: true}}}}
numbers:
  "{CLINIC}": clinic
  "{SALON}": salon
  "{BUSY}": busy
"""


@dataclass
class Guest:
    """One call at a worker of ours."""

    worker: "Worker"
    start: CallStart
    stream: Stream
    audio: bytearray = field(default_factory=bytearray)
    ear: Ear = field(default_factory=Ear)
    heard: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    digits: list[str] = field(default_factory=list)
    lease: Lease | None = None
    closed: EndReason | None = None
    lost: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def on_audio(self, audio: bytes) -> None:
        self.audio += audio
        for event in self.ear.hear(audio):
            if isinstance(event, SpeechStopped):
                self.heard.append(event.utterance.text)
                assert event.utterance.complete, "a frame was lost between caller and worker"
                self.say(f"You said {event.utterance.text}", "answered")

    def on_mark(self, name: str) -> None:
        self.marks.append(name)
        self.worker.on_mark(self, name)

    def on_clear(self) -> None: ...

    def on_dtmf(self, digit: str) -> None:
        self.digits.append(digit)

    def on_close(self, reason: EndReason) -> None:
        self.closed = reason
        self.over.set()

    def on_lost(self) -> None:
        self.lost = True
        self.over.set()

    def say(self, text: str, mark: str) -> None:
        self.stream.send_audio(speak(text))
        self.stream.send(Mark(mark))


class Worker:
    """Takes calls, greets, repeats what it hears, and hangs up when told.

    `refuses` is raised instead of taking a call.
    """

    def __init__(self, name: str, pool: redis.asyncio.Redis) -> None:
        self.name = name
        self.guests: list[Guest] = []
        self.refuses: Exception | None = None
        self.greeting = "Hello from the clinic"
        self.hangs_up_after: str | None = None  # the mark
        self.adopts = False  # the calls' slots, at once, as a real worker does
        self.came = asyncio.Event()
        self.finished = 0
        self._roster = Roster(pool)
        self._slots = Slots(pool)
        self._journal = Journal(pool, KeyRing.parse(KEYS))
        self.server = LinkServer(SECRET, name, self._take)
        self._runner: web.AppRunner | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        app = web.Application()
        app.router.add_get(link.PATH, self.server.handle)
        self._runner = web.AppRunner(app, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        await self.announce()

    async def announce(self) -> None:
        assert self._runner is not None
        url = f"ws://127.0.0.1:{self._runner.addresses[0][1]}{link.PATH}"
        live = sum(not guest.over.is_set() for guest in self.guests)
        card = WorkerCard(self.name, url, 20, live, False, "test")
        await self._roster.announce(card)

    async def stay_alive(self) -> None:
        """Say so every second, as a worker does; with Redis away in vain."""
        while True:
            with suppress(StoreFault):
                await self.announce()
            await asyncio.sleep(1)

    async def close(self) -> None:
        await asyncio.gather(*self._tasks)
        await self.server.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    def _take(self, start: CallStart, stream: Stream) -> Guest:
        if self.refuses is not None:
            raise self.refuses
        guest = Guest(self, start, stream)
        self.guests.append(guest)
        self.came.set()
        asyncio.get_running_loop().call_soon(guest.say, self.greeting, "greeted")
        if self.adopts:
            self._tasks.add(asyncio.create_task(self._adopt(guest)))
        return guest

    async def _adopt(self, guest: Guest) -> None:
        start = guest.start
        guest.lease = await self._slots.adopt(
            start.org, start.agent, start.call_id, holder=self.name
        )

    def on_mark(self, guest: Guest, name: str) -> None:
        if name == self.hangs_up_after:
            task = asyncio.create_task(self.finish(guest, EndReason.AGENT_HUNG_UP))
            self._tasks.add(task)

    async def finish(self, guest: Guest, reason: EndReason) -> None:
        """End the call as a worker does: close the stream, write the journal, free the slot."""
        start = guest.start
        guest.stream.close(reason)
        lease = await self._slots.adopt(start.org, start.agent, start.call_id, holder=self.name)
        journal = await self._journal.open(start, lease.token)
        await journal.end(CallEnd(reason, start.started_at_ms + 1000), lease)
        self.finished += 1


@dataclass
class Scene:
    """Everything a test can reach."""

    pool: redis.asyncio.Redis
    gateway: Gateway
    company: PhoneCompany
    workers: list[Worker]
    url: str
    journal: Journal
    slots: Slots
    config: Config

    @property
    def worker(self) -> Worker:
        return self.workers[0]

    async def release_all(self) -> None:
        """Our workers hold no leases; give back what the gateway asked for."""
        for worker in self.workers:
            for guest in worker.guests:
                start = guest.start
                lease = await self.slots.adopt(
                    start.org, start.agent, start.call_id, holder=worker.name
                )
                await self.slots.release(lease)


def settings(redis_url: str, **changes: Any) -> GatewaySettings:
    given: dict[str, Any] = {
        "redis_url": redis_url,
        "secret": SECRET,
        "encryption_keys": KEYS,
        "public_url": PUBLIC,
        "twilio_auth_token": AUTH_TOKEN,
        "host": "127.0.0.1",
        "port": 0,
    }
    return GatewaySettings(**(given | changes))


@asynccontextmanager
async def scene(
    redis_url: str,
    *,
    workers: int = 1,
    yaml: str = YAML,
    rewrites: Mapping[str, str] | None = None,
    **company: Any,
) -> AsyncIterator[Scene]:
    """The gateway, ready, with this many workers announced; sockets may be sent elsewhere."""
    config = load_config(yaml)
    gateway = Gateway(settings(redis_url), config)
    pool = redis_pool(redis_url)
    staff = [Worker(f"worker-{number + 1}", pool) for number in range(workers)]
    running: list[asyncio.Task[None]] = []
    try:
        await gateway.start()
        running.append(asyncio.create_task(gateway.run()))
        for worker in staff:
            await worker.open()
            running.append(asyncio.create_task(worker.stay_alive()))
        url = gateway.addresses()["public_url"]
        phones = PhoneCompany(
            auth_token=AUTH_TOKEN,
            voice_url=f"{PUBLIC}/twilio/voice",
            public_url_rewrites={PUBLIC: url, **(rewrites or {})},
            **company,
        )
        async with phones:
            journal = Journal(pool, KeyRing.parse(KEYS))
            yield Scene(pool, gateway, phones, staff, url, journal, Slots(pool), config)
    finally:
        await gateway.stop()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for worker in staff:
            await worker.close()
        await pool.aclose()


async def until(true: Callable[[], bool]) -> None:
    """Wait for something to become true; the test's own limit fails a hang."""
    while not true():  # noqa: ASYNC110 # what is waited for has no event
        await asyncio.sleep(0.01)
