"""What the API's answers say of an org's account, told to the whole fleet.

A refused session makes the org's limit back off; a key that is not taken opens its circuit, so that
no further caller has to find that out; the first answered caller of a session begun since closes it
again. Tokens ride on the heartbeat. Nobody waits here: what a call heard is put down and told by
one task, the same thing once however many calls heard it, and what Redis does not take is let go,
for the API will say it again.
"""

import asyncio
from typing import Final

from callfleet import telemetry
from callfleet.errors import StoreFault
from callfleet.slots import Slots
from callfleet.slots_keeper import SlotKeeper
from callfleet.slots_terms import Circuit, Refusal
from services.worker import metrics
from services.worker import realtime_events as api
from services.worker.interpreter import usage_of
from services.worker.realtime_errors import KeyRefused, Said, said_of_org
from services.worker.usage import tokens_of

GATHER_S: Final = 0.05  # what arrives together is told together

log = telemetry.logger(__name__)


class Account:
    """One org's, shared by all its calls of this worker."""

    def __init__(self, org: str, slots: Slots, keeper: SlotKeeper, *, counts_tokens: bool) -> None:
        self.org = org
        self._slots = slots
        self._keeper = keeper
        self._counts_tokens = counts_tokens
        self._untold: dict[Said | None, int] = {}  # None: a session of its own answered
        self._something = asyncio.Event()

    @property
    def suspect(self) -> bool:
        """The key was refused lately: whether it is taken now is worth knowing."""
        return self._keeper.circuit(self.org) is not Circuit.CLOSED

    def note(self, said: Said | None) -> None:
        self._untold[said] = self._untold.get(said, 0) + 1
        self._something.set()

    def spend(self, tokens: int) -> None:
        if self._counts_tokens and tokens:
            self._keeper.spend(self.org, tokens)

    def remain(self, limits: api.RateLimitsUpdated) -> None:
        if self._counts_tokens:
            for each in limits.rate_limits:
                if each.name == "tokens":
                    self._keeper.remain(self.org, int(each.remaining), int(each.limit))

    async def run(self) -> None:
        """For the worker's life."""
        while True:
            await self._something.wait()
            await asyncio.sleep(GATHER_S)
            self._something.clear()
            untold, self._untold = self._untold, {}
            for said in untold:
                try:
                    await self._tell(said)
                except StoreFault as fault:
                    log.warning("account not told", org=self.org, why=str(fault))

    async def _tell(self, said: Said | None) -> None:
        match said:
            case KeyRefused(code):
                log.error("the API refuses the org's key", org=self.org, code=code)
                await self._slots.open_circuit(self.org, code)
            case Refusal():
                log.warning("the API refuses the org more", org=self.org, kind=said.value)
                await self._slots.report_refusal(self.org, said)
            case None:
                await self._slots.report_good(self.org)


class SessionAccount:
    """What one session adds to it."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._suspect = account.suspect  # as it was when the session began

    def heard(self, event: api.ServerEvent) -> None:
        """Every event but sound."""
        if isinstance(event, api.ResponseDone):
            self._response(event.response)
        elif isinstance(event, api.RateLimitsUpdated):
            self._account.remain(event)

    def _response(self, response: api.ResponseFacts) -> None:
        self._account.spend(tokens_of(usage_of(response.usage)))
        error = response.status_details.error if response.status_details else None
        if error is not None and (said := said_of_org(error.code or "")) is not None:
            self.refused(said)
        elif response.status == "completed" and self._suspect:
            self._suspect = False
            self._account.note(None)

    def refused(self, said: Said | None) -> None:
        """How the session, or a response, was turned down; None: not because of the account."""
        if said is not None:
            metrics.account_refused(said.code if isinstance(said, KeyRefused) else said.value)
            self._account.note(said)
