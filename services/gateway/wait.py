"""One call's wait, from its stream to its slot: patience, hold sound, and how it ended."""

import asyncio
from typing import Final, Protocol

from callfleet import telemetry
from callfleet.calls import CallStart
from callfleet.errors import StoreFault
from services.gateway import hold, metrics
from services.gateway.metrics import Waited
from services.gateway.waiting import Place, Verdict, WaitingRoom

SILENT_S: Final = 0.15  # nobody needs music for less
ANSWER_LIMIT_S: Final = 4.0  # to learn that there is a slot, where nobody is to wait for one
LEAST_S: Final = 1.0  # for a stream that took nearly as long as its caller may wait
ASK_AGAIN_S: Final = 1.0  # while Redis is away
LOST_MAX: Final = 3  # places that another gateway may take from us before we let it

log: Final = telemetry.logger(__name__)


class Ear(Protocol):
    """The caller's leg, as far as it hears music."""

    def play(self, audio: bytes) -> None: ...
    def clear(self) -> None: ...


class Wait:
    """One call's."""

    def __init__(self, start: CallStart, ear: Ear, room: WaitingRoom) -> None:
        self.waited_s = 0.0  # since the webhook; 0: the slot was there at once
        self._start = start
        self._ear = ear
        self._room = room
        self._place: Place | None = None
        queue = room.queue(start.org)
        every_s = queue.announce_every_s if queue.announce else None
        self._tape = hold.Tape(room.loops[start.org], announce_every_s=every_s)
        self._sounds = False
        self._outcome = Waited.HUNG_UP

    async def run(self) -> bool:
        """True: on to a worker. False: the overflow. Cancelled: the caller has left."""
        self._room.arrived(self._start)
        sounding = asyncio.create_task(self._sound())
        admitted = False
        try:
            async with asyncio.timeout(self._patience_s()):
                admitted = await self._until_admitted()
            self._outcome = Waited.GRANTED if admitted else Waited.OVERFLOW
        except TimeoutError:
            self._outcome = Waited.GAVE_UP
        finally:
            sounding.cancel()
            self._room.departed(self._start)
            self._finish(admitted=admitted)
            await asyncio.wait((sounding,))
        return admitted

    def _patience_s(self) -> float:
        queue = self._room.queue(self._start.org)
        if not queue.max_waiting:
            return ANSWER_LIMIT_S
        return max(LEAST_S, queue.max_wait_s - self._room.waited_s(self._start))

    async def _until_admitted(self) -> bool:
        for _ in range(LOST_MAX):
            self._place = await self._seat()
            if self._place is None:
                return True
            verdict = await self._place.verdict
            if verdict is not Verdict.LOST:
                return verdict is Verdict.GRANTED
        return False

    async def _seat(self) -> Place | None:
        """None: nobody can be asked, so the worker shall judge."""
        while True:
            try:
                return await self._room.seat(self._start)
            except StoreFault as fault:
                org = self._start.org
                if self._room.is_shared(org) or not self._room.queue(org).max_waiting:
                    log.warning("admitted without Redis", org=org, why=str(fault))
                    return None
            await asyncio.sleep(ASK_AGAIN_S)

    async def _sound(self) -> None:
        await asyncio.sleep(SILENT_S)
        self._sounds = True
        metrics.wait_began(self._start.org)
        await hold.play(self._tape, self._ear, self._position)

    def _position(self) -> int | None:
        return None if self._place is None else self._place.position

    def _finish(self, *, admitted: bool) -> None:
        org, place = self._start.org, self._place
        if self._sounds or (place is not None and place.waits) or not admitted:
            self.waited_s = self._room.waited_s(self._start)
        if not self._sounds:
            return
        metrics.wait_ended(org, self._outcome, self.waited_s, self._tape.announced)
        self._ear.clear()  # what was sent ahead must not be heard over the agent
        log.info(
            "wait ended",
            outcome=self._outcome,
            waited_s=round(self.waited_s, 3),
            announced=self._tape.announced,
        )
