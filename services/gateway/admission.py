"""May this call have a session? And, for calls that no worker ever took, the end of their story.

The slot is asked for at the webhook, before Twilio is told to open a stream, and lives unrenewed
until the worker adopts it. Whatever happens in between, the call is written down once: by its
worker, or, when there is none, here.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

from callfleet import telemetry
from callfleet.calls import CallStart, EndReason
from callfleet.config import Config
from callfleet.errors import AtCapacity, CallEnded, SlotLost, StoreFault
from callfleet.journal import Journal
from callfleet.journal_entries import CallEnd
from callfleet.slots import Full, Lease, OrgLimits, Slots

log: Final = telemetry.logger(__name__)


class Admission:
    """The gateway's dealings with slots, and with journals of calls without a worker."""

    def __init__(
        self,
        slots: Slots,
        journal: Journal,
        *,
        holder: str,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        self._slots = slots
        self._journal = journal
        self._holder = holder
        self._clock_s = clock_s

    async def configure(self, config: Config) -> None:
        """Tell the semaphore what the file says; every process does.

        With Redis away it is told at the first call instead: readiness says that Redis is away.
        """
        for name, limits in limits_of(config).items():
            try:
                await self._slots.configure(name, limits)
            except StoreFault as fault:
                log.warning("limits not told yet", org=name, why=str(fault))

    async def ask(self, start: CallStart) -> bool:
        """A slot for the call, now. Asking again for the same call changes nothing."""
        # Where callers may wait, this is where they will be told to.
        answer = await self._slots.acquire(
            start.org, start.agent, start.call_id, holder=self._holder
        )
        if isinstance(answer, Full):
            log.info("no slot", agent=start.agent, org=start.org, scope=answer.scope)
        return isinstance(answer, Lease)

    async def turn_away(self, start: CallStart) -> None:
        """It had no slot and got the overflow; it is recorded all the same."""
        await self._close(start, EndReason.NO_SLOT, None)

    async def close_unserved(self, start: CallStart, reason: EndReason) -> None:
        """It had a slot, and no worker has it, or none any more: give back and write down.

        Taking the slot over first shuts out a worker that only seems dead: what it still writes
        comes with the older token.
        """
        try:
            lease = await self._slots.adopt(
                start.org, start.agent, start.call_id, holder=self._holder
            )
        except AtCapacity:
            lease = None  # it had lapsed already, and nobody needs it now
        if not await self._close(start, reason, lease) and lease is not None:
            await self._slots.release(lease)

    async def _close(self, start: CallStart, reason: EndReason, lease: Lease | None) -> bool:
        """False: somebody else has written the end, or will."""
        try:
            journal = await self._journal.open(start, lease.token if lease else 0)
            await journal.end(CallEnd(reason, int(self._clock_s() * 1000)), lease)
        except (CallEnded, SlotLost):
            return False
        return True

    async def close_quietly(self, start: CallStart, reason: EndReason) -> None:
        """`close_unserved` where nobody is left who could do anything about Redis being away."""
        try:
            await self.close_unserved(start, reason)
        except StoreFault as fault:
            # The slot lapses by itself; the call is missing from the records.
            log.error("call not recorded", reason=reason, why=str(fault))


def limits_of(config: Config) -> Mapping[str, OrgLimits]:
    agents = config.agents.values()
    return {name: OrgLimits.of(org, agents) for name, org in config.orgs.items()}
