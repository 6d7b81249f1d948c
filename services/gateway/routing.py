"""Which worker gets the call: its own, if it has one, else one with room.

The roster chooses in one script; this adds what a gateway learns by trying. A worker that refused
or did not answer is avoided for this call, once: if nobody else has room either it is better to ask
it again, more patiently, than to give the call up.
"""

from typing import Final

from callfleet.calls import CallId
from callfleet.errors import NoWorker
from callfleet.roster import Roster, Route

ATTEMPTS: Final = 4
PATIENCE_S: Final = (0.5, 2.0)  # for a worker's answer: the first time round, and the second


class Search:
    """One call's way through the roster."""

    def __init__(self, roster: Roster, call_id: CallId) -> None:
        self._roster = roster
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
        """Raises NoWorker (nobody has room, or enough were tried) or StoreFault."""
        if self._left == 0:
            raise NoWorker("no worker took the call")
        self._left -= 1
        try:
            return await self._roster.place(self._call_id, avoid=self._avoid)
        except NoWorker:
            if self._second_round or not self._avoid:
                raise
            self._second_round, self._avoid = True, []
            return await self._roster.place(self._call_id)


class Routing:
    """The gateway's view of the roster."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    def search(self, call_id: CallId) -> Search:
        return Search(self._roster, call_id)
