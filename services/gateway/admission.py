"""May this call have a session? And, for calls that no worker ever took, the end of their story.

The slot is asked for at the webhook, before Twilio is told to open a stream. Whatever happens
afterwards, the call is written down once: by its worker, or, when there is none, here. While Redis
is away those ends are kept and written when it is back: a promised call back must not be forgotten.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from callfleet import telemetry
from callfleet.calls import CallStart, EndReason
from callfleet.config import Config
from callfleet.errors import AtCapacity, CallEnded, SlotLost, StoreFault
from callfleet.journal import Journal
from callfleet.journal_entries import CALL_BACK, CallEnd, Note
from callfleet.slots import Full, Lease, OrgLimits, Priority, Slots, Waiting
from services.gateway import metrics

LATE_MAX: Final = 10_000  # ends kept for a Redis that is away; beyond, the oldest is lost
LATE_EVERY_S: Final = 1.0
_SERVED_BY_OVERFLOW: Final = frozenset({EndReason.NO_SLOT, EndReason.NO_WORKER})

log: Final = telemetry.logger(__name__)


class Admission:
    """The gateway's dealings with slots, and with journals of calls without a worker."""

    def __init__(
        self,
        slots: Slots,
        journal: Journal,
        *,
        holder: str,
        config: Config,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        self._slots = slots
        self._journal = journal
        self._holder = holder
        self._config = config
        self._clock_s = clock_s
        self._late: deque[tuple[CallStart, CallEnd]] = deque(maxlen=LATE_MAX)

    async def configure(self) -> None:
        """Tell the semaphore what the file says; every process does.

        With Redis away it is told at the first call instead: readiness says that Redis is away.
        """
        for name, limits in limits_of(self._config).items():
            try:
                await self._slots.configure(name, limits)
            except StoreFault as fault:
                log.warning("limits not told yet", org=name, why=str(fault))

    async def ask(
        self, start: CallStart, *, priority: Priority = Priority.INBOUND
    ) -> Lease | Waiting | Full:
        """A slot for the call, or a place in its org's queue, if it has one.

        Asking again for the same call changes nothing, but that this gateway has it now. Raises
        StoreFault.
        """
        answer = await self._slots.acquire(
            start.org,
            start.agent,
            start.call_id,
            holder=self._holder,
            priority=priority,
            wait=self._config.orgs[start.org].queue.max_waiting > 0,
        )
        if isinstance(answer, Full):
            log.info("no slot", agent=start.agent, org=start.org, scope=answer.scope)
        return answer

    async def leave(self, start: CallStart) -> None:
        """Out of the queue at once, or the slot back that nobody took up."""
        try:
            await self._slots.leave(start.org, start.call_id)
        except StoreFault as fault:
            log.warning("place left to lapse", why=str(fault))

    async def turn_away(self, start: CallStart, reason: EndReason = EndReason.NO_SLOT) -> None:
        """It has no slot; it is recorded all the same. Never raises."""
        end = self._end(reason)
        try:
            await self._close(start, end, None)
        except StoreFault as fault:
            self._keep(start, end, fault)

    def turn_away_later(self, start: CallStart) -> None:
        """`turn_away` for a caller whose answer must not wait for a Redis that is away."""
        self._late_end(start, self._end(EndReason.NO_SLOT))

    async def close_unserved(self, start: CallStart, reason: EndReason) -> None:
        """It had a slot, and no worker has it, or none any more: give back and write down.

        Taking the slot over first shuts out a worker that only seems dead: what it still writes
        comes with the older token. Never raises: what Redis cannot be told now it is told later.
        """
        end = self._end(reason)
        try:
            await self._give_back(start, end)
        except StoreFault as fault:
            self._keep(start, end, fault)

    async def run(self) -> None:
        """Write down what Redis could not be told; for the life of the process."""
        while True:
            await asyncio.sleep(LATE_EVERY_S)
            await self.catch_up()

    async def catch_up(self) -> None:
        while self._late:
            start, end = self._late[0]
            with telemetry.bind_call(start.call_id):
                try:
                    await self._give_back(start, end)
                except StoreFault:
                    return
            if self._late and self._late[0] == (start, end):
                self._late.popleft()
            metrics.calls_unrecorded(len(self._late))

    def _keep(self, start: CallStart, end: CallEnd, fault: StoreFault) -> None:
        log.error("call not recorded yet", reason=end.reason, why=str(fault))
        self._late_end(start, end)

    def _late_end(self, start: CallStart, end: CallEnd) -> None:
        if len(self._late) == LATE_MAX:
            log.error("an older call is never recorded", lost=self._late[0][0].call_id)
        self._late.append((start, end))
        metrics.calls_unrecorded(len(self._late))

    async def _give_back(self, start: CallStart, end: CallEnd) -> None:
        try:
            lease = await self._slots.adopt(
                start.org, start.agent, start.call_id, holder=self._holder
            )
        except AtCapacity:  # it had lapsed already, or was still waited for
            lease = None
            await self._slots.leave(start.org, start.call_id)
        if not await self._close(start, end, lease) and lease is not None:
            await self._slots.release(lease)

    async def _close(self, start: CallStart, end: CallEnd, lease: Lease | None) -> bool:
        """False: somebody else has written the end, or will."""
        try:
            journal = await self._journal.open(start, lease.token if lease else 0)
            if self._is_promised(start, end.reason) and not journal.entries:
                at_ms = max(0, end.ended_at_ms - start.started_at_ms)
                await journal.append(Note(CALL_BACK, at_ms))
            await journal.end(end, lease)
        except (CallEnded, SlotLost):
            return False
        return True

    def _is_promised(self, start: CallStart, reason: EndReason) -> bool:
        """The caller was told that somebody will call back."""
        agent = self._config.agents.get(start.agent)
        promises = agent is not None and bool(agent.overflow.promise)
        return promises and reason in _SERVED_BY_OVERFLOW and start.caller.startswith("+")

    def _end(self, reason: EndReason) -> CallEnd:
        return CallEnd(reason, int(self._clock_s() * 1000))


def limits_of(config: Config) -> Mapping[str, OrgLimits]:
    agents = config.agents.values()
    return {name: OrgLimits.of(org, agents) for name, org in config.orgs.items()}
