"""The slots of all calls of this worker: adopted, renewed together, and done without for a while.

Renewing is the `SlotKeeper`'s: one heartbeat an org, not a call. Redis away ends no call: leases go
on and are registered again when it is back. A new call that meets no Redis is taken all the same
where the org's file says `share`, within this worker's part of the last limit it heard of: four
fifths of it, divided by the workers last known, so that a fleet cut in two stays about inside.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from callfleet import telemetry
from callfleet.calls import CallId, CallStart
from callfleet.config import Config
from callfleet.errors import StoreFault
from callfleet.slots import Slots
from callfleet.slots_keeper import SlotKeeper
from callfleet.slots_terms import Beat, Lease
from services.worker import metrics

AGAIN_S: Final = 1.0
ADOPT_TRIES: Final = 3
SHARED_PART: Final = 0.8

log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class _Seat:
    """A `slots_keeper.Holder`."""

    on_lost: Callable[[], None]

    def lost(self) -> None:
        metrics.slot_lost()
        self.on_lost()


class Leases:
    """What this worker holds."""

    def __init__(self, slots: Slots, keeper: SlotKeeper, config: Config) -> None:
        self.workers = 1  # alive when the roster was last read
        self._slots = slots
        self._keeper = keeper
        self._config = config
        self._unregistered: dict[str, dict[CallId, str]] = {org: {} for org in config.orgs}
        for org in config.orgs:
            metrics.watch_heartbeat(org, lambda org=org: keeper.silence_s(org))  # type: ignore[misc]
            metrics.watch_unleased(org, lambda org=org: self._unleased(org))  # type: ignore[misc]

    async def adopt(
        self, start: CallStart, on_lost: Callable[[], None], *, live: bool = False
    ) -> Lease:
        """Take the call's slot over. Raises `AtCapacity`, or `StoreFault` when Redis stays away.

        `live`: it goes on already, and is counted whatever the limit says.
        """
        for tries_left in reversed(range(self._tries(start.org, live=live))):
            try:
                lease = await self._slots.adopt(
                    start.org, start.agent, start.call_id, holder=self._keeper.holder, live=live
                )
                break
            except StoreFault:
                if not tries_left:
                    raise
                await asyncio.sleep(AGAIN_S)
        self._unregistered[start.org].pop(start.call_id, None)
        self._keeper.hold(lease, _Seat(on_lost))
        return lease

    def _tries(self, org: str, *, live: bool) -> int:
        """A caller who may be served without Redis does not wait for it."""
        return 1 if live or self._config.orgs[org].redis_away == "share" else ADOPT_TRIES

    def shares(self, start: CallStart) -> bool:
        """May this call go on without Redis? Until it was adopted, or forgotten."""
        org, agent = self._config.orgs[start.org], self._config.agents[start.agent]
        if org.redis_away != "share":
            return False
        live = self._live(org.name)
        limit = self._keeper.limit(org.name)
        room = [(len(live), org.sessions if limit is None else limit)]
        if agent.sessions is not None:
            room.append((sum(name == agent.name for name in live.values()), agent.sessions))
        if any(count >= int(most * SHARED_PART / self.workers) for count, most in room):
            return False
        self._unregistered[org.name][start.call_id] = agent.name
        metrics.admitted_without_redis(org.redis_away)
        return True

    def _live(self, org: str) -> Mapping[CallId, str]:
        """Calls of the org, with their agents."""
        held = {lease.call_id: lease.agent for lease in self._keeper.leases(org)}
        return held | self._unregistered[org]

    def _unleased(self, org: str) -> int:
        """Calls that go on though Redis has no lease of them, or will have let it lapse."""
        lapsed = self._keeper.silence_s(org) > self._slots.lease_ttl_s
        held = len(self._keeper.leases(org)) if lapsed else 0
        return held + len(self._unregistered[org])

    def forget(self, start: CallStart, lease: Lease | None) -> None:
        """The call is over, or not ours: no longer renewed."""
        self._unregistered[start.org].pop(start.call_id, None)
        if lease is not None:
            self._keeper.let_go(lease)

    async def release(self, lease: Lease) -> None:
        """Give a slot back that no journal will; harmless when Redis is away, the lease lapses."""
        self._keeper.let_go(lease)
        try:
            await self._slots.release(lease)
        except StoreFault as fault:
            log.warning("slot left to lapse", call_id=lease.call_id, why=str(fault))


class BeatLog:
    """Told of every heartbeat: counts them, and says once that Redis went and that it is back."""

    def __init__(self) -> None:
        self._away: set[str] = set()

    def __call__(self, org: str, outcome: Beat | StoreFault) -> None:
        if isinstance(outcome, StoreFault):
            metrics.heartbeat_missed()
            if org not in self._away:
                log.warning("heartbeat missed", org=org, why=str(outcome))
            self._away.add(org)
            return
        if org in self._away:
            log.info("heartbeat answered again", org=org, reasserted=outcome.reasserted)
            self._away.discard(org)
        metrics.slots_reasserted(outcome.reasserted)
