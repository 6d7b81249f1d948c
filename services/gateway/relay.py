"""One call between its leg and its worker: audio both ways until one side ends.

A relay knows neither carriers nor sockets. The leg tells it what the caller does, the stream what
the worker does; both call it synchronously, so that nothing is scheduled per frame. `run` has the
call wait for its slot, places it and waits for its end; the first reason given is the call's, and
the side that does not know yet is told.
"""

import asyncio
from collections import deque
from typing import Final, Protocol

import msgspec

from callfleet import telemetry
from callfleet.calls import CallStart, EndReason
from callfleet.errors import AtCapacity, CallEnded, LinkFault, NoWorker
from callfleet.link import CALLER_AUDIO_BOUND, Dtmf, Mark
from callfleet.link_stream import Stream
from services.gateway import metrics
from services.gateway.admission import Admission
from services.gateway.links import Links
from services.gateway.metrics import Misplaced
from services.gateway.routing import Routing, Search
from services.gateway.wait import Wait
from services.gateway.waiting import WaitingRoom

_UNRECORDED_BY_WORKER: Final = frozenset({EndReason.WORKER_LOST, EndReason.NO_SLOT})
"""The first cannot write it down; the second had no slot to open a journal with."""

log: Final = telemetry.logger(__name__)


class Leg(Protocol):
    """What a relay does to the caller's side; never blocks."""

    def play(self, audio: bytes) -> None: ...
    def mark(self, name: str) -> None: ...
    def clear(self) -> None: ...


class Switching:
    """What every relay of a gateway shares: how calls find slots and workers."""

    def __init__(
        self, routing: Routing, links: Links, admission: Admission, room: WaitingRoom
    ) -> None:
        self.routing = routing
        self.links = links
        self.admission = admission
        self.room = room


class Relay:
    """One call; the receiver of its stream."""

    def __init__(self, start: CallStart, leg: Leg, switching: Switching) -> None:
        self.start = start
        self.worker_id = ""
        self.heard_frames = 0
        self._leg = leg
        self._switching = switching
        self._stream: Stream | None = None
        self._early: deque[bytes] = deque()  # what the caller says while the call is placed
        self._early_bytes = 0
        self._admitted = False
        self._served = False
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[EndReason] = self._loop.create_future()

    @property
    def is_over(self) -> bool:
        return self._over.done()

    # What the caller does.

    def hear(self, audio: bytes) -> None:
        self.heard_frames += 1
        stream = self._stream
        if stream is not None:
            stream.send_audio(audio)
            return
        self._early.append(audio)
        self._early_bytes += len(audio)
        while self._early_bytes > CALLER_AUDIO_BOUND:
            self._early_bytes -= len(self._early.popleft())

    def mark_passed(self, name: str) -> None:
        if self._stream is not None:
            self._stream.send(Mark(name))

    def press(self, digit: str) -> None:
        if self._stream is not None:
            self._stream.send(Dtmf(digit))

    def end(self, reason: EndReason) -> None:
        """The call is over on this side; the worker is told. Only the first reason counts."""
        if not self._over.done():
            self._over.set_result(reason)
            if self._stream is not None:
                self._stream.close(reason)

    # What the worker does.

    def on_audio(self, audio: bytes) -> None:
        self._leg.play(audio)

    def on_mark(self, name: str) -> None:
        self._leg.mark(name)

    def on_clear(self) -> None:
        self._leg.clear()

    def on_dtmf(self, digit: str) -> None:
        """Keys are pressed by callers only."""

    def on_close(self, reason: EndReason) -> None:
        self.end(reason)

    def on_lost(self) -> None:
        # The place where a call will ask for another worker instead, its leg staying up.
        self.end(EndReason.WORKER_LOST)

    # Its life.

    async def run(self) -> EndReason:
        """Wait for a slot, place the call, and wait for its end."""
        self._admitted = await self._admit()
        if self._admitted:
            began = self._loop.time()
            stream = await self._place()
            self._switching.room.let_go(self.start)  # the worker renews the slot, or nobody shall
            if stream is not None:
                metrics.call_placed(self._loop.time() - began)
                self._attach(stream)
            self._served = stream is not None
        return await self._over

    async def record(self) -> None:
        """See that the end is written down: the worker does it, unless there was or is none."""
        reason, admission = self._over.result(), self._switching.admission
        if not self._admitted:
            await admission.turn_away(self.start, reason)
        elif not self._served or reason in _UNRECORDED_BY_WORKER:
            await admission.close_unserved(self.start, reason)

    async def _admit(self) -> bool:
        """A slot, after a wait if need be; False: the call has ended without."""
        wait = Wait(self.start, self._leg, self._switching.room)
        waiting = asyncio.create_task(wait.run())
        try:
            await asyncio.wait((waiting, self._over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not waiting.done():
                waiting.cancel()
                await asyncio.wait((waiting,))
        admitted = not waiting.cancelled() and waiting.result()
        self.start = msgspec.structs.replace(self.start, waited_ms=round(wait.waited_s * 1000))
        if wait.waited_s:
            self._early.clear()  # said to the music, not to the agent
            self._early_bytes = 0
        if not admitted:
            self.end(EndReason.NO_SLOT)
            await self._switching.room.leave(self.start)
        return admitted

    def _attach(self, stream: Stream) -> None:
        if self._over.done():  # the caller left meanwhile; the worker, having the call, records it
            stream.close(self._over.result())
            return
        self._stream = stream
        for audio in self._early:
            stream.send_audio(audio)
        self._early.clear()

    async def _place(self) -> Stream | None:
        """A worker's stream, or None and the call has ended."""
        search = self._switching.routing.search(self.start.call_id)
        try:
            while not self._over.done():
                stream = await self._try(search)
                if stream is not None:
                    return stream
        except NoWorker:
            self.end(EndReason.NO_WORKER)
        except AtCapacity:
            self.end(EndReason.NO_SLOT)
        except CallEnded:
            self.end(EndReason.SLOT_LOST)
        return None

    async def _try(self, search: Search) -> Stream | None:
        """The next worker of the search; None: not this one."""
        route = await search.next()
        self.worker_id = route.worker_id
        links, patience_s = self._switching.links, search.patience_s
        try:
            return await links.open(route, self.start, self, patience_s=patience_s)
        except LinkFault as fault:
            why = Misplaced.UNREACHABLE
            log.warning("worker does not answer", worker=route.worker_id, why=str(fault))
        except NoWorker as refusal:
            why = Misplaced.REFUSED
            log.info("worker refuses", worker=route.worker_id, why=str(refusal))
        metrics.call_misplaced(why)
        search.avoid(route.worker_id)
        return None
