"""Keeps one call's journal, so that the call never waits for it.

Entries are handed over at once and written by a task of the clerk's own, in order. The journal
itself survives Redis being away; here, what is unsent is offered again every second, and more
entries than a long call could ever make are refused and counted. A turn is stored at once; what was
noted beside it (tokens, waits) travels with the next turn, which halves the requests to Redis.
"""

import asyncio
from typing import Final

from callfleet import telemetry
from callfleet.calls import CallStart
from callfleet.errors import CallEnded, SlotLost, StoreFault
from callfleet.journal_entries import CallEnd, Entry, Turn
from callfleet.slots_terms import Lease
from services.worker import metrics
from services.worker.ports import Journals, OpenJournal

WAITING_MAX: Final = 10_000
AGAIN_S: Final = 1.0
NOTE_WAITS_S: Final = 10.0
OPEN_TRIES: Final = 3

log = telemetry.logger(__name__)


class Clerk:
    """Of one call."""

    def __init__(self, journals: Journals, start: CallStart) -> None:
        self._journals = journals
        self._start = start
        self._journal: OpenJournal | None = None
        self._turn_waits = False
        self._waiting: asyncio.Queue[Entry | None] = asyncio.Queue(WAITING_MAX)

    @property
    def has_journal(self) -> bool:
        return self._journal is not None

    async def open(self, token: int) -> list[Entry]:
        """What earlier holders wrote. Raises `SlotLost`, `CallEnded` or `StoreFault`."""
        for tries_left in reversed(range(OPEN_TRIES)):
            try:
                self._journal = await self._journals.open(self._start, token)
                break
            except StoreFault:
                if not tries_left:
                    raise
                await asyncio.sleep(AGAIN_S)
        assert self._journal is not None
        return self._journal.entries

    def note(self, entry: Entry) -> None:
        """Take an entry; never waits."""
        try:
            self._waiting.put_nowait(entry)
        except asyncio.QueueFull:
            metrics.journal_refused()

    async def write(self) -> None:
        """Until `no_more`. Raises `SlotLost` or `CallEnded` when the call is not ours any more."""
        assert self._journal is not None
        while True:
            try:
                async with asyncio.timeout(self._patience_s()):
                    entry = await self._waiting.get()
            except TimeoutError:
                await self._send_again()
                continue
            if entry is None:
                return
            turn = isinstance(entry, Turn)
            await self._journal.append(entry, at_once=turn)
            self._turn_waits = (turn or self._turn_waits) and self._journal.unsent > 0

    def _patience_s(self) -> float | None:
        """A turn that Redis did not take is offered again soon; a note waits for the next turn."""
        assert self._journal is not None
        if not self._journal.unsent:
            return None
        return AGAIN_S if self._turn_waits else NOTE_WAITS_S

    def no_more(self) -> None:
        """What was handed over is written, then `write` returns."""
        while True:
            try:
                self._waiting.put_nowait(None)
                return
            except asyncio.QueueFull:
                self._waiting.get_nowait()  # the end matters more than one more entry
                metrics.journal_refused()

    async def end(self, end: CallEnd, lease: Lease) -> None:
        """The call is over: raises what `CallJournal.end` raises."""
        assert self._journal is not None
        await self._journal.end(end, lease)

    async def _send_again(self) -> None:
        assert self._journal is not None
        try:
            await self._journal.flush()
        except StoreFault as fault:
            log.warning("journal waits", entries=self._journal.unsent, why=str(fault))


GIVEN_UP: Final = (SlotLost, CallEnded)
"""What a journal raises when the call belongs to somebody else, or to nobody any more."""
