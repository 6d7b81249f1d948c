"""The slots of all calls of this worker, renewed together: one heartbeat per org, not per call.

A lease that somebody else adopted is told to its call at once. Redis away is no reason to end a
call: it is asked again every second, and the semaphore lets a holder it has forgotten register
again.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Final

from callfleet import telemetry
from callfleet.calls import CallId, CallStart
from callfleet.errors import StoreFault
from callfleet.slots import Lease, Slots
from services.worker import metrics

BEAT_EARLIEST: Final = 0.8  # of the period the semaphore was promised: jitter, never late
AGAIN_S: Final = 1.0
ADOPT_TRIES: Final = 3

log = telemetry.logger(__name__)


class Leases:
    """What this worker holds."""

    def __init__(self, slots: Slots, holder: str, orgs: list[str]) -> None:
        self._slots = slots
        self._holder = holder
        self._held: dict[str, dict[CallId, tuple[Lease, Callable[[], None]]]] = {
            org: {} for org in orgs
        }

    async def adopt(self, start: CallStart, on_lost: Callable[[], None]) -> Lease:
        """Take the call's slot over. Raises `AtCapacity`, or `StoreFault` when Redis stays away."""
        for tries_left in reversed(range(ADOPT_TRIES)):
            try:
                lease = await self._slots.adopt(
                    start.org, start.agent, start.call_id, holder=self._holder
                )
                break
            except StoreFault:
                if not tries_left:
                    raise
                await asyncio.sleep(AGAIN_S)
        self._held.setdefault(start.org, {})[start.call_id] = (lease, on_lost)
        return lease

    def forget(self, lease: Lease) -> None:
        """The call is over, or not ours: no longer renewed."""
        held = self._held[lease.org]
        if lease.call_id in held and held[lease.call_id][0].token == lease.token:
            del held[lease.call_id]

    async def release(self, lease: Lease) -> None:
        """Give a slot back that no journal will; harmless when Redis is away, the lease lapses."""
        self.forget(lease)
        try:
            await self._slots.release(lease)
        except StoreFault as fault:
            log.warning("slot left to lapse", call_id=lease.call_id, why=str(fault))

    async def run(self) -> None:
        """For the worker's life; an org without a call is renewed as well, its clock needs it."""
        async with asyncio.TaskGroup() as beats:
            for org in self._held:
                beats.create_task(self._keep(org))

    async def _keep(self, org: str) -> None:
        period_s = self._slots.heartbeat_s
        while True:
            renewed = await self._beat(org)
            jitter = random.uniform(BEAT_EARLIEST, 1.0)  # noqa: S311 # no secret
            await asyncio.sleep(period_s * jitter if renewed else AGAIN_S)

    async def _beat(self, org: str) -> bool:
        held = self._held[org]
        leases = [lease for lease, _ in held.values()]
        try:
            beat = await self._slots.heartbeat(org, self._holder, leases)
        except StoreFault as fault:
            metrics.heartbeat_missed()
            log.warning("heartbeat missed", org=org, leases=len(leases), why=str(fault))
            return False
        shown = {lease.call_id: lease.token for lease in leases}
        for call_id in beat.lost:
            if call_id in held and held[call_id][0].token == shown.get(call_id):
                _, on_lost = held.pop(call_id)
                on_lost()
        return True
