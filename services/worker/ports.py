"""What a call needs of the world, as narrow as it is needed.

The real things satisfy these by their shape; tests put others in their place.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from callfleet.audio import AudioFormat
from callfleet.calls import CallId, CallStart, EndReason
from callfleet.config import Agent
from callfleet.journal_entries import CallEnd, Entry
from callfleet.link import Frame
from callfleet.slots_terms import Lease
from services.worker.dialogue import Event, SessionCommand


class Stream(Protocol):
    """What is used of `callfleet.link_stream.Stream`."""

    def send_audio(self, audio: bytes) -> None: ...
    def send(self, frame: Frame) -> None: ...
    def close(self, reason: EndReason) -> None: ...


class Session(Protocol):
    """What is used of `realtime.Session`: one, from its opening to its end.

    It tells `SessionReady` at most once, then at most one `SessionFailed`.
    """

    @property
    def id(self) -> str: ...
    async def live(self, receive: Callable[[Event], None]) -> None: ...
    def listen(self, receive: Callable[[Event], None]) -> None: ...
    def append(self, audio: bytes) -> None: ...
    def perform(self, command: SessionCommand) -> None: ...
    async def close(self) -> None: ...


class Leases(Protocol):
    """What is used of `leases.Leases`."""

    async def adopt(
        self, start: CallStart, on_lost: Callable[[], None], *, live: bool = False
    ) -> Lease: ...
    def shares(self, start: CallStart) -> bool: ...
    def forget(self, start: CallStart, lease: Lease | None) -> None: ...
    async def release(self, lease: Lease) -> None: ...


class OpenJournal(Protocol):
    """What is used of `callfleet.journal_writer.CallJournal`."""

    @property
    def entries(self) -> list[Entry]: ...
    @property
    def unsent(self) -> int: ...
    async def append(self, entry: Entry, *, at_once: bool = True) -> None: ...
    async def flush(self) -> None: ...
    async def end(self, end: CallEnd, lease: Lease | None) -> None: ...


class Journals(Protocol):
    """What is used of `callfleet.journal.Journal`."""

    async def open(self, start: CallStart, token: int) -> OpenJournal: ...


class Routes(Protocol):
    """What is used of `callfleet.roster.Roster`."""

    async def settle(self, call_id: CallId, worker_id: str) -> bool: ...
    async def drop(self, call_id: CallId, worker_id: str = "") -> bool: ...


class Trigger(Protocol):
    """What is used of `callfleet.handover.Handover`."""

    async def finished(self, call_id: CallId) -> None: ...


@dataclass(frozen=True, slots=True)
class Ports:
    """What a call needs of the world; shared by all calls of a worker."""

    worker_id: str
    leases: Leases
    journals: Journals
    routes: Routes
    trigger: Trigger
    session: Callable[[Agent, dict[str, Any], AudioFormat], Session]
    wall_ms: Callable[[], int]
