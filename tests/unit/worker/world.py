"""The world of one call, in memory: slot, journal, route, session and leg, under virtual time."""

import asyncio
from collections.abc import Callable
from typing import Any

from callfleet.audio import PCMU, AudioFormat
from callfleet.calls import CallId, CallStart, EndReason, LegKind
from callfleet.config import Agent
from callfleet.errors import CallEnded, SlotLost, StoreFault
from callfleet.journal_entries import CallEnd, Entry, Turn
from callfleet.link import Clear, Frame, Mark
from callfleet.slots_terms import Lease
from services.worker import dialogue as told
from services.worker.call import Call
from services.worker.dialogue import Event, SessionCommand
from services.worker.ports import Ports

START = CallStart(
    call_id=CallId("c" + "0" * 26),
    org="main",
    agent="receptionist",
    leg=LegKind.TWILIO,
    caller="+15550001",
    called="+15550002",
    carrier_call_id="CA1",
    audio="audio/pcmu",
    started_at_ms=1_000_000,
)
AGENT = Agent(name="receptionist", org="main", instructions="Be kind.", greeting="Hello!")
LEASE = Lease("main", "receptionist", START.call_id, "worker-1", 7)


class World:
    """Everything a call touches, and in which order it did."""

    def __init__(self) -> None:
        self.deeds: list[str] = []  # in order, with no detail: what a path must do, once
        self.faults: dict[str, list[Exception]] = {}  # what the next attempts at a deed raise
        self.leases = Leases(self)
        self.journal = MemoryJournal(self)
        self.sessions = [MemorySession(self)]
        self._dialled = 0
        self.stream = MemoryStream(self)
        self.settled = True
        self.breaks: Exception | None = None  # every session

    def do(self, deed: str) -> None:
        waiting = self.faults.get(deed)
        if waiting:
            raise waiting.pop(0)
        self.deeds.append(deed)

    def fails(self, deed: str, *errors: Exception) -> None:
        self.faults[deed] = list(errors)

    def ports(self) -> Ports:
        return Ports(
            worker_id="worker-1",
            leases=self.leases,
            journals=self,
            routes=self,
            trigger=self,
            session=self._session,
            wall_ms=lambda: START.started_at_ms + 250,
        )

    def call(self) -> Call:
        return Call(START, AGENT, self.stream, self.ports())

    def _session(self, agent: Agent, settings: dict[str, Any], fmt: AudioFormat) -> "MemorySession":
        assert (agent, fmt) == (AGENT, PCMU)
        assert settings["type"] == "realtime"
        self._dialled += 1
        if self._dialled > len(self.sessions):
            self.sessions.append(MemorySession(self))
        return self.sessions[self._dialled - 1]

    @property
    def session(self) -> "MemorySession":
        """The latest."""
        return self.sessions[-1]

    # Journals, routes and the trigger ------------------------------------------------------------

    async def open(self, start: CallStart, token: int) -> "MemoryJournal":
        assert (start, token) == (START, LEASE.token)
        self.do("open journal")
        return self.journal

    async def settle(self, call_id: CallId, worker_id: str) -> bool:
        self.do("settle route")
        return self.settled

    async def drop(self, call_id: CallId, worker_id: str = "") -> bool:
        self.do("drop route")
        return True

    async def finished(self, call_id: CallId) -> None:
        self.do("tell analytics")


class Leases:
    def __init__(self, world: World) -> None:
        self._world = world
        self.on_lost: Callable[[], None] = lambda: None
        self.shared = False

    async def adopt(
        self, start: CallStart, on_lost: Callable[[], None], *, live: bool = False
    ) -> Lease:
        await asyncio.sleep(0.01)
        self._world.do("adopt slot")
        self.on_lost = on_lost
        return LEASE

    def shares(self, start: CallStart) -> bool:
        return self.shared

    def forget(self, start: CallStart, lease: Lease | None) -> None:
        assert lease in (None, LEASE)

    async def release(self, lease: Lease) -> None:
        self._world.do("release slot")


class MemoryJournal:
    def __init__(self, world: World) -> None:
        self._world = world
        self.entries: list[Entry] = []
        self.ended: CallEnd | None = None
        self.fenced = False
        self.unsent = 0

    @property
    def turns(self) -> list[tuple[str, str]]:
        return [(each.role, each.text) for each in self.entries if isinstance(each, Turn)]

    async def append(self, entry: Entry, *, at_once: bool = True) -> None:
        await asyncio.sleep(0.001)
        if self.fenced:
            raise SlotLost
        self.entries.append(entry)

    async def flush(self) -> None:
        self._world.do("flush journal")
        self.unsent = 0

    async def end(self, end: CallEnd, lease: Lease | None) -> None:
        if self.fenced:
            raise SlotLost
        if self.ended is not None:
            raise CallEnded
        assert lease == LEASE
        self._world.do("end journal")
        self.ended = end


class MemorySession:
    """Does what a test tells it; `receive` is the call's ear."""

    id = "sess_1"

    def __init__(self, world: World) -> None:
        self._world = world
        self.heard = b""
        self.commands: list[SessionCommand] = []
        self.receive: Callable[[Event], None] = lambda _: None
        self.ready_after_s = 0.2
        self.lifetime_ms: int | None = None
        self._closed = asyncio.Event()

    async def live(self, receive: Callable[[Event], None]) -> None:
        self._world.do("open session")
        self.receive = receive
        await asyncio.sleep(self.ready_after_s)
        if self._world.breaks is not None:
            raise self._world.breaks
        receive(told.SessionReady(self.lifetime_ms))
        await self._closed.wait()

    def listen(self, receive: Callable[[Event], None]) -> None:
        self.receive = receive

    def append(self, audio: bytes) -> None:
        self.heard += audio

    def perform(self, command: SessionCommand) -> None:
        self.commands.append(command)

    async def close(self) -> None:
        if not self._closed.is_set():
            self._world.do("close session")
        self._closed.set()


class MemoryStream:
    def __init__(self, world: World) -> None:
        self._world = world
        self.played = b""
        self.frames: list[Frame] = []
        self.closed: EndReason | None = None

    def send_audio(self, audio: bytes) -> None:
        self.played += audio

    def send(self, frame: Frame) -> None:
        self.frames.append(frame)

    def close(self, reason: EndReason) -> None:
        if self.closed is None:
            self._world.do("close stream")
            self.closed = reason

    @property
    def marks(self) -> list[str]:
        return [frame.name for frame in self.frames if isinstance(frame, Mark)]

    @property
    def clears(self) -> int:
        return sum(isinstance(frame, Clear) for frame in self.frames)


AWAY = StoreFault("Redis is away")
