"""A worker as gateways meet it: over a real link, with a real Redis and the simulated API.

`Phone` is a gateway's side of one call and the carrier behind it: it plays what it is sent against
a clock (faster than life, to spare the tests' time), echoes marks as a carrier does, and hears
whether the words arrived whole.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio

from callfleet.calls import CallId, CallStart, EndReason, LegKind, new_call_id
from callfleet.config import Config, load_config
from callfleet.encryption import KeyRing
from callfleet.journal import Journal
from callfleet.journal_entries import CallRecord
from callfleet.link import Dtmf, Mark
from callfleet.link_dialler import LinkDialler
from callfleet.link_stream import Stream
from callfleet.roster import Roster
from callfleet.slots import Slots
from services.worker.app import Worker
from services.worker.settings import WorkerSettings
from simulators.realtime import RealtimeSimulator
from simulators.speech import Ear, silence, speak
from tests.realtime_conformance import Recorder

SECRET = "a secret of the whole fleet"
KEYS = "11" * 32
PACE = 8.0  # how much faster than life the carrier plays
CONFIG = """
orgs:
  main: {sessions: 4}
agents:
  receptionist:
    org: main
    sessions: 3
    vertical: healthcare
    greeting: Thanks for calling Acme Clinic.
    instructions: You are a friendly receptionist of Acme Clinic.
"""


class Phone:
    """A `StreamReceiver` of a gateway."""

    def __init__(self) -> None:
        self.ear = Ear()
        self.marks: list[str] = []
        self.cleared = 0
        self.played = bytearray()
        self.ended: EndReason | None = None
        self.over = asyncio.Event()
        self.stream: Stream | None = None
        self._queue: list[bytes | str] = []
        self._changed = asyncio.Event()  # something came
        self._stirred = asyncio.Event()  # something was played
        self._player = asyncio.create_task(self._play())

    def on_audio(self, audio: bytes) -> None:
        self._queue.append(audio)
        self._changed.set()

    def on_mark(self, name: str) -> None:
        self._queue.append(name)
        self._changed.set()

    def on_clear(self) -> None:
        self.cleared += 1
        waiting, self._queue = self._queue, []
        for name in (each for each in waiting if isinstance(each, str)):
            self._echo(name)

    def on_dtmf(self, digit: str) -> None: ...

    def on_close(self, reason: EndReason) -> None:
        self.ended = reason
        self.over.set()

    def on_lost(self) -> None:
        self.over.set()

    def _echo(self, name: str) -> None:
        self.marks.append(name)
        if self.stream is not None:
            self.stream.send(Mark(name))

    async def _play(self) -> None:
        while True:
            while self._queue:
                first = self._queue.pop(0)
                self._stirred.set()
                if isinstance(first, str):
                    self._echo(first)
                    continue
                frame, rest = first[:160], first[160:]
                if rest:
                    self._queue.insert(0, rest)
                self.played += frame
                self.ear.hear(frame)
                await asyncio.sleep(0.02 / PACE)
            self._stirred.set()
            self._changed.clear()
            await self._changed.wait()

    async def say(self, text: str, quiet_ms: int = 900) -> None:
        await self.send(speak(text) + silence(quiet_ms))

    async def send(self, sound: bytes) -> None:
        """Frame by frame, a little at a time: a link drops what a caller sends in a burst."""
        assert self.stream is not None
        for at in range(0, len(sound), 160):
            self.stream.send_audio(sound[at : at + 160])
            if at % 1600 == 0:
                await asyncio.sleep(0.2 / PACE)

    def press(self, keys: str) -> None:
        assert self.stream is not None
        for key in keys:
            self.stream.send(Dtmf(key))

    def heard(self) -> list[str]:
        return [utterance.text for utterance in self.ear.utterances]

    async def hears(self, count: int) -> str:
        """The count-th thing the agent said, when it was heard to its end."""
        await self._until(lambda: len(self.ear.utterances) >= count and not self._queue)
        return self.ear.utterances[count - 1].text

    async def hears_said(self, words: str) -> str:
        """Until something with these words in it was heard to its end."""
        await self._until(lambda: any(words in each for each in self.heard()) and not self._queue)
        return next(each for each in self.heard() if words in each)

    async def is_spoken_to(self, after_ms: int = 0) -> None:
        """Until the agent is heard speaking, so long into its sentence."""
        await self._until(lambda: self.ear.current is not None and self._into() >= after_ms)

    async def _until(self, seen: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not seen():
                self._stirred.clear()
                await self._stirred.wait()

    def _into(self) -> int:
        current = self.ear.current
        return 0 if current is None else self.ear.position_ms - current.started_ms

    def hang_up(self, reason: EndReason = EndReason.CALLER_HUNG_UP) -> None:
        assert self.stream is not None
        self.stream.close(reason)
        self.over.set()

    async def is_hung_up(self) -> EndReason | None:
        async with asyncio.timeout(30):
            await self.over.wait()
        return self.ended

    async def put_down(self) -> None:
        self._player.cancel()
        await asyncio.gather(self._player, return_exceptions=True)


class Scene:
    """One worker and what surrounds it."""

    def __init__(self, worker: Worker, api: RealtimeSimulator, redis_url: str) -> None:
        self.worker = worker
        self.api = api
        self.recorder = Recorder()
        self.redis = redis.asyncio.Redis.from_url(redis_url)
        self.journal = Journal(self.redis, KeyRing.parse(KEYS))
        self.slots = Slots(self.redis)
        self.roster = Roster(self.redis)
        self.dialler = LinkDialler(SECRET)
        self.phones: list[Phone] = []

    def start_of(self, **changed: Any) -> CallStart:
        now_ms = int(time.time() * 1000)
        facts: dict[str, Any] = {
            "call_id": new_call_id(now_ms, secrets.token_bytes(10)),
            "org": "main",
            "agent": "receptionist",
            "leg": LegKind.TWILIO,
            "caller": "+15550001",
            "called": "+15550002",
            "carrier_call_id": "CA1",
            "audio": "audio/pcmu",
            "started_at_ms": now_ms,
        }
        return CallStart(**{**facts, **changed})

    async def call(self, start: CallStart | None = None) -> Phone:
        phone = Phone()
        self.phones.append(phone)
        url = self.worker.addresses()["link_url"]
        phone.stream = await self.dialler.open(
            self.worker.addresses()["worker_id"], url, start or self.start_of(), phone
        )
        return phone

    async def ended(self, call_id: CallId) -> CallRecord:
        async with asyncio.timeout(20):
            while True:
                record = await self.journal.read(call_id)
                if record is not None and record.end is not None:
                    return record
                await asyncio.sleep(0.01)


def settings(redis_url: str, realtime_url: str, **changed: Any) -> WorkerSettings:
    facts: dict[str, Any] = {
        "redis_url": redis_url,
        "secret": SECRET,
        "encryption_keys": KEYS,
        "realtime_url": realtime_url,
        "host": "127.0.0.1",
        "port": 0,
        "worker_id": "worker-1",
    }
    return WorkerSettings(**{**facts, **changed})


def config(text: str = CONFIG) -> Config:
    return load_config(text)


@asynccontextmanager
async def a_worker(
    redis_url: str, *, conf: str = CONFIG, key: str = "sk-simulated", **options: Any
) -> AsyncIterator[Scene]:
    """A worker that runs; at its end the API must have seen nothing it would have refused."""
    changed = {name: options.pop(name) for name in ("slots",) if name in options}
    recorder = Recorder()
    async with RealtimeSimulator(observer=recorder, **options) as api:
        worker = Worker(settings(redis_url, api.url, **changed), config(conf), {"main": key})
        scene = Scene(worker, api, redis_url)
        scene.recorder = recorder
        await worker.start()
        loops = asyncio.create_task(worker.run())
        try:
            yield scene
        finally:
            loops.cancel()
            await asyncio.gather(loops, return_exceptions=True)
            await worker.stop()
            await scene.dialler.stop()
            for phone in scene.phones:
                await phone.put_down()
            await scene.redis.aclose()
    if recorder.events:
        recorder.assert_conforming()
