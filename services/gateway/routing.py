"""Which worker gets the call: its own, if it has one, else one with room.

The roster chooses in one script; this adds what a gateway learns by trying. A worker that refused
or did not answer is avoided for this call, once: if nobody else has room either it is better to ask
it again, more patiently, than to give the call up.

With Redis away the roster as it was last seen, seconds ago, still tells who is there. Calls placed
by it have no route until their worker announces them again.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Collection
from typing import Final

from callfleet import telemetry
from callfleet.calls import CallId
from callfleet.errors import NoWorker, StoreFault
from callfleet.roster import Roster, Route, WorkerCard

ATTEMPTS: Final = 4
PATIENCE_S: Final = (0.5, 2.0)  # for a worker's answer: the first time round, and the second
PLACE_LIMIT_S: Final = 1.5  # for the roster, before the last known one is used
SEEN_EVERY_S: Final = 2.0
SEEN_FOR_S: Final = 600.0  # what was seen longer ago is no help

log: Final = telemetry.logger(__name__)


class LastSeen:
    """The workers as Redis last told of them, and what was placed there since."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._cards: list[WorkerCard] = []
        self._seen_at_s = float("-inf")
        self._placed: Counter[str] = Counter()

    async def run(self) -> None:
        """For the life of the process."""
        while True:
            await self.look()
            await asyncio.sleep(SEEN_EVERY_S)

    async def look(self) -> None:
        try:
            cards = await self._roster.workers()
        except StoreFault:
            return
        # A Redis that came back empty knows nobody until the workers have announced themselves.
        if cards or time.monotonic() - self._seen_at_s > SEEN_FOR_S:
            self._cards, self._seen_at_s = cards, time.monotonic()
            self._placed.clear()

    def place(self, call_id: CallId, avoid: Collection[str]) -> Route:
        """The emptier of two by lot. Raises NoWorker."""
        found = []
        if time.monotonic() - self._seen_at_s < SEEN_FOR_S:
            found = [c for c in self._cards if not c.draining and c.worker_id not in avoid]
            found = [card for card in found if self._room(card) > 0]
        if not found:
            raise NoWorker("Redis is away, and nobody with room was seen before")
        two = random.sample(found, min(2, len(found)))
        card = max(two, key=self._room)
        self._placed[card.worker_id] += 1
        return Route(call_id, card.worker_id, card.url)

    def _room(self, card: WorkerCard) -> int:
        return card.capacity - card.live - self._placed[card.worker_id]


class Search:
    """One call's way through the roster."""

    def __init__(self, roster: Roster, seen: LastSeen, call_id: CallId) -> None:
        self._roster = roster
        self._seen = seen
        self._call_id = call_id
        self._avoid: list[str] = []
        self._second_round = False
        self._left = ATTEMPTS

    @property
    def patience_s(self) -> float:
        return PATIENCE_S[self._second_round]

    def avoid(self, worker_id: str) -> None:
        self._avoid.append(worker_id)

    async def next(self) -> Route:
        """Raises NoWorker: nobody has room, or enough were tried."""
        if self._left == 0:
            raise NoWorker("no worker took the call")
        self._left -= 1
        try:
            return await self._place()
        except NoWorker:
            if self._second_round or not self._avoid:
                raise
            self._second_round, self._avoid = True, []
            return await self._place()

    async def _place(self) -> Route:
        try:
            async with asyncio.timeout(PLACE_LIMIT_S):
                return await self._roster.place(self._call_id, avoid=self._avoid)
        except (StoreFault, TimeoutError) as fault:
            log.warning("placed by the roster last seen", why=str(fault) or "no answer")
            return self._seen.place(self._call_id, self._avoid)


class Routing:
    """The gateway's view of the roster."""

    def __init__(self, roster: Roster) -> None:
        self.seen = LastSeen(roster)
        self._roster = roster

    def search(self, call_id: CallId) -> Search:
        return Search(self._roster, self.seen, call_id)
