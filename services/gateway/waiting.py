"""Callers for whom there is no slot yet: their place in the queue, and what they hear meanwhile.

A place is won at the webhook and must be kept alive from then on, by one heartbeat for all of a
gateway (`SlotKeeper`). The stream may come to another gateway: that one asks for the same call
again, which moves the place, rank and all, and the first gateway's keeper is told it is lost. A
place whose stream does not come is let go of after `UNCLAIMED_S` and lapses.

Redis away: in a `queue` org the caller hears the hold sound while Redis is asked every second, as
many callers a gateway as may wait; in a `share` org the call goes on to a worker, which admits what
its share of the sessions allows.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

from callfleet import telemetry
from callfleet.calls import CallId, CallStart
from callfleet.config import Config, Queue
from callfleet.slots import Full, Lease, Waiting
from callfleet.slots_keeper import SlotKeeper
from services.gateway.admission import Admission

UNCLAIMED_S: Final = 10.0  # from the webhook to the stream; mostly it takes a few tenths

log: Final = telemetry.logger(__name__)


class Verdict(Enum):
    """What became of a place."""

    GRANTED = "granted"
    REFUSED = "refused"  # there is nothing to wait for
    LOST = "lost"  # another gateway asked for the call: it may have its stream


class Place:
    """One call's place, or slot, as the keeper tells of it."""

    def __init__(self, start: CallStart) -> None:
        self.start = start
        self.position: int | None = None
        self.waits = False  # it was told to wait, at some time
        self._ticket = 0
        self.verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()

    def granted(self, lease: Lease) -> None:
        if self.waits:
            numbers = {"ticket": self._ticket, "grant": lease.token}
            log.info("slot granted", call_id=self.start.call_id, **numbers)
        self._settle(Verdict.GRANTED)

    def moved(self, waiting: Waiting) -> None:
        self.waits = True
        self.position = waiting.position
        self._ticket = waiting.ticket

    def refused(self, full: Full) -> None:
        self._settle(Verdict.REFUSED)

    def lost(self) -> None:
        self._settle(Verdict.LOST)

    def _settle(self, verdict: Verdict) -> None:
        if not self.verdict.done():
            self.verdict.set_result(verdict)


class WaitingRoom:
    """All places of one gateway."""

    def __init__(
        self,
        admission: Admission,
        keeper: SlotKeeper,
        config: Config,
        loops: Mapping[str, bytes],
        *,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        self.loops = loops  # what callers of each org hear
        self._admission = admission
        self._keeper = keeper
        self._config = config
        self._clock_s = clock_s
        self._unclaimed: dict[CallId, tuple[Place, asyncio.TimerHandle]] = {}
        self._here: Counter[str] = Counter()  # callers with a stream, until they have a slot
        # Unknown to Redis, and without a stream yet.
        self._let_in: dict[CallId, tuple[str, asyncio.TimerHandle]] = {}

    def queue(self, org: str) -> Queue:
        return self._config.orgs[org].queue

    def waited_s(self, start: CallStart) -> float:
        return max(0.0, self._clock_s() - start.started_at_ms / 1000)

    async def enter(self, start: CallStart) -> Lease | Waiting | Full:
        """At the webhook: a slot, a place, or neither. Raises StoreFault."""
        place, answer = await self._ask(start)
        if not isinstance(answer, Full):
            loop = asyncio.get_running_loop()
            self._forget(start)
            late = loop.call_later(UNCLAIMED_S, self._give_up, start)
            self._unclaimed[start.call_id] = (place, late)
        return answer

    async def seat(self, start: CallStart) -> Place:
        """Its stream came: the place won at the webhook, wherever that was. Raises StoreFault."""
        known = self._unclaimed.pop(start.call_id, None)
        if known is not None:
            known[1].cancel()
            return known[0]
        return (await self._ask(start))[0]

    async def _ask(self, start: CallStart) -> tuple[Place, Lease | Waiting | Full]:
        answer = await self._admission.ask(start)
        place = Place(start)
        match answer:
            case Lease():
                place.granted(answer)
            case Waiting():
                place.moved(answer)
                self._keeper.wait(answer, place)
                log.info("call waits", position=answer.position, ticket=answer.ticket)
            case Full():
                place.refused(answer)
        return place, answer

    def let_go(self, start: CallStart) -> None:
        """A worker has the slot, or somebody here adopts it: it is not renewed any more."""
        self._forget(start)
        self._keeper.drop(start.org, start.call_id)

    async def leave(self, start: CallStart) -> None:
        """The caller waits no longer. Never raises."""
        self.let_go(start)
        await self._admission.leave(start)

    def let_in(self, start: CallStart) -> bool:
        """At the webhook, with Redis away: may the caller's stream come all the same?"""
        org = start.org
        if self.is_shared(org) or start.call_id in self._let_in:
            return True
        coming = sum(coming_to == org for coming_to, _ in self._let_in.values())
        if self._here[org] + coming >= self.queue(org).max_waiting:
            return False
        late = asyncio.get_running_loop().call_later(
            UNCLAIMED_S, self._let_in.pop, start.call_id, None
        )
        self._let_in[start.call_id] = (org, late)
        return True

    def arrived(self, start: CallStart) -> None:
        """Its stream is here, and it may have to wait."""
        self._here[start.org] += 1
        if (coming := self._let_in.pop(start.call_id, None)) is not None:
            coming[1].cancel()

    def departed(self, start: CallStart) -> None:
        self._here[start.org] -= 1

    def is_shared(self, org: str) -> bool:
        return self._config.orgs[org].redis_away == "share"

    def close(self) -> None:
        for _, late in [*self._let_in.values(), *self._unclaimed.values()]:
            late.cancel()

    def _forget(self, start: CallStart) -> None:
        known = self._unclaimed.pop(start.call_id, None)
        if known is not None:
            known[1].cancel()

    def _give_up(self, start: CallStart) -> None:
        """No stream came: nothing is told to Redis, for the call may be at another gateway now."""
        log.info("place never claimed", call_id=start.call_id)
        self.let_go(start)
