"""The workers now alive, how full they are, and which call belongs to which of them.

Placing a call is one script: it recalls the call's worker or chooses one and holds a place there,
so a thousand gateways asking at once cannot overfill anybody. How full a worker is comes from the
calls written down for it, not only from what it said a second ago. A place held for a worker that
never takes the call lapses by itself; a call the worker has taken lapses unless the worker goes on
announcing itself. All clocks are Redis'.

A worker announces its calls with its card once a second. What it is told of calls that are
`elsewhere` by now is how it learns that it was given up for dead.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from callfleet.calls import CallId
from callfleet.errors import NoWorker
from callfleet.redis_scripts import Script, lua

ANNOUNCE_EVERY_S: Final = 1.0
ROSTER_TAG: Final = "callfleet:{roster}"  # every key of the roster starts so; see roster_keys.lua

_FORGOTTEN_MS: Final = 60_000  # a silent worker's card is swept away


class Placement(StrEnum):
    """Which of the workers with room takes the next call."""

    SPREAD = "spread"  # the emptier of two met by chance: lowest latency
    PACK = "pack"  # the fullest: others become empty and can be taken away


class WorkerCard(msgspec.Struct, frozen=True):
    """What a worker says of itself."""

    worker_id: str
    url: str  # what gateways dial
    capacity: int
    live: int
    draining: bool
    version: str
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """This call belongs to that worker."""

    call_id: CallId
    worker_id: str
    url: str


class Roster:
    """One fleet's roster in one Redis. Raises `StoreFault` when Redis does not answer."""

    def __init__(
        self,
        redis: Redis,
        *,
        alive_s: float = 5.0,
        reservation_s: float = 10.0,
        route_s: float = 30.0,
        placement: Placement = Placement.SPREAD,
        zone: str = "",
    ) -> None:
        assert reservation_s <= route_s
        self._alive_ms = int(alive_s * 1000)
        self._reservation_ms = int(reservation_s * 1000)
        self._route_ms = int(route_s * 1000)
        self._placement = placement
        self._zone = zone  # of the placer: workers of the same zone are preferred
        self._scripts = {
            name: Script(redis, lua("roster_keys", f"roster_{name}"), doing=f"roster {name}")
            for name in ("announce", "withdraw", "place", "route", "settle", "drop", "workers")
        }

    async def announce(
        self, card: WorkerCard, calls: Collection[CallId] | None = None
    ) -> set[CallId]:
        """Alive, with these calls; returns those of them that are another worker's by now.

        `calls=None` says nothing about calls: all that were settled here keep their routes. Given,
        it is the truth: it restores routes Redis has lost, and what it leaves out for `alive_s`
        is over.
        """
        told = "0" if calls is None else "1"
        limits = (self._route_ms, _FORGOTTEN_MS, self._alive_ms, told)
        encoded = msgspec.json.encode(card)
        elsewhere = await self._run("announce", card.worker_id, encoded, *limits, *(calls or ()))
        return {CallId(call.decode()) for call in elsewhere}

    async def withdraw(self, worker_id: str) -> None:
        """The worker is gone, or wants to be: nothing is placed there any more."""
        await self._run("withdraw", worker_id)

    async def place(
        self, call_id: CallId, *, avoid: Collection[str] = (), seed: int | None = None
    ) -> Route:
        """The call's own worker, else one with room; raises `NoWorker`.

        `avoid` names workers that did not answer: a call is never left with one of them. Asking
        again after a lost reply gives the same answer and holds one place.
        """
        chance = secrets.randbits(31) if seed is None else seed
        limits = (self._alive_ms, self._reservation_ms, self._placement, self._zone)
        found = await self._run("place", call_id, chance, *limits, *avoid)
        if found is None:
            raise NoWorker
        return _route(call_id, found)

    async def route(self, call_id: CallId) -> Route | None:
        """Where the call is, if that worker is alive."""
        found = await self._run("route", call_id, self._alive_ms)
        return None if found is None else _route(call_id, found)

    async def settle(self, call_id: CallId, worker_id: str) -> bool:
        """The worker has taken the call; False: it belongs to another worker, let go of it."""
        return bool(await self._run("settle", call_id, worker_id, self._route_ms))

    async def drop(self, call_id: CallId, worker_id: str = "") -> bool:
        """The call needs no place any more; with `worker_id`, only if its place is there."""
        return bool(await self._run("drop", call_id, worker_id))

    async def workers(self) -> list[WorkerCard]:
        """All living workers, by name; drained ones too."""
        cards = await self._run("workers", self._alive_ms)
        found = [_card.decode(card) for card in cards]
        return sorted(found, key=lambda card: card.worker_id)

    async def _run(self, name: str, *args: str | bytes | float) -> Any:
        return await self._scripts[name]([], args)


_card = msgspec.json.Decoder(WorkerCard)


def _route(call_id: CallId, found: list[bytes]) -> Route:
    card = _card.decode(found[1])
    return Route(call_id, card.worker_id, card.url)
