"""Looks for open work that no trigger announced, so that a lost trigger loses nothing.

Two lists tell the truth about what is left to do: the journal's finished list, and the status
column. Every few seconds each process reads a piece of both and triggers what it finds; ids make a
second trigger of the same work harmless, so processes need not agree on who sweeps.
"""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final, Protocol

from callfleet import telemetry
from callfleet.calls import CallId
from callfleet.errors import StoreFault
from services.analytics import metrics
from services.analytics.jobs import Recorder, now_ms
from services.analytics.store import Store
from services.analytics.triggers import Triggers

BATCH: Final = 200

log = telemetry.logger(__name__)


class FinishedList(Protocol):
    """What sweeping needs of `callfleet.journal.Journal`."""

    async def finished(self, count: int) -> list[CallId]: ...


class Sweeper:
    """One process' sweep."""

    def __init__(
        self,
        finished: FinishedList,
        store: Store,
        recorder: Recorder,
        triggers: Triggers,
        *,
        every_s: float,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._finished = finished
        self._store = store
        self._recorder = recorder
        self._triggers = triggers
        self._every_s = every_s
        self._clock_ms = clock_ms
        self._seen_s: dict[CallId, float] = {}  # since when a finished call is known to wait

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            started = time.monotonic()
            await self.sweep()
            spread = 0.75 + random.random() / 2  # noqa: S311 # spreads processes; guards nothing
            await asyncio.sleep(max(0.0, self._every_s * spread - (time.monotonic() - started)))

    async def sweep(self) -> None:
        """Once. A store that does not answer is tried again next time; the other is still swept."""
        states: list[tuple[str, int, float]] = []
        for look in (self._unrecorded, self._unscored):
            try:
                states += await look()
            except StoreFault as fault:
                log.warning("sweep cut short", why=telemetry.told(fault))
        metrics.open_work_seen(states)

    async def _unrecorded(self) -> list[tuple[str, int, float]]:
        # What cannot be recorded stays at the head of the list: look past it.
        found = await self._finished.finished(BATCH + self._recorder.troubled)
        now_s = time.monotonic()
        self._seen_s = {call_id: self._seen_s.get(call_id, now_s) for call_id in found}
        for call_id in found:
            if not self._recorder.rests(call_id) and not await self._triggers.record(call_id):
                break  # Redis is away: it would refuse the others too
        return [("finished", len(found), now_s - min(self._seen_s.values(), default=now_s))]

    async def _unscored(self) -> list[tuple[str, int, float]]:
        now = self._clock_ms()
        for due in await self._store.due(now_ms=now, limit=BATCH):
            if not await self._triggers.score(due.call_id, due.attempts):
                break
        work = await self._store.open_work(now_ms=now)
        return [(one.status, one.count, one.oldest_ms / 1000) for one in work]
