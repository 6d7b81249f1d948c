"""One process' side of the semaphore: renews what it holds, waits for what it wants.

One heartbeat per org carries all leases and waiters of the process. It comes on time, at once when
a hint on the process' channel says "look now", and every second while somebody waits: hints may be
lost with their connection, the heartbeat is what counts. It comes even with nothing to carry, for
the semaphore's clock moves by being touched. Redis being away ends nothing here: leases go on, and
are registered again when it is back.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from callfleet.calls import CallId
from callfleet.errors import StoreFault
from callfleet.slots import Slots
from callfleet.slots_terms import (
    NOTHING_SPENT,
    Beat,
    Circuit,
    Full,
    Lease,
    Spent,
    Waiting,
    hint_channel,
)

_HINT_GAP_S: Final = 0.02  # hints closer together than this are answered by one beat
_RETRY_S: Final = (0.1, 2.0)  # the first, and the longest pause while Redis is away
_LISTEN_S: Final = 5.0


class Holder(Protocol):
    """Who uses a slot. Called from the heartbeat: must not block or raise."""

    def lost(self) -> None:
        """Somebody else has the call now: stop, and write nothing more."""


class Waiter(Holder, Protocol):
    """Who waits for a slot; `lost` means that the place is somebody else's (another gateway's)."""

    def granted(self, lease: Lease) -> None:
        """The slot is here. It is held from now on, until `drop`."""

    def moved(self, waiting: Waiting) -> None:
        """The place in the queue, newly counted."""

    def refused(self, full: Full) -> None:
        """There is nothing to wait for any more."""


@dataclass(slots=True)
class _Desk:
    """What is held and awaited in one org."""

    leases: dict[CallId, tuple[Lease, Holder]] = field(default_factory=dict)
    waiters: dict[CallId, tuple[Waiting, Waiter]] = field(default_factory=dict)
    look: asyncio.Event = field(default_factory=asyncio.Event)
    heard_at: float = field(default_factory=time.monotonic)
    spent: Spent = NOTHING_SPENT
    circuit: Circuit = Circuit.CLOSED
    limit: int | None = None


class SlotKeeper:
    """Run `run()` as a task for the life of the process; the rest may be called at any time."""

    def __init__(
        self,
        slots: Slots,
        redis: "Redis",
        holder: str,
        orgs: Iterable[str],
        *,
        waiter_beat_s: float = 1.0,
        beaten: Callable[[str, Beat | StoreFault], None] = lambda _org, _outcome: None,
    ) -> None:
        self.holder = holder
        self._slots = slots
        self._redis = redis
        self._waiter_beat_s = waiter_beat_s
        self._beaten = beaten  # told of every beat, for metrics and logs
        self._desks = {org: _Desk() for org in orgs}

    def hold(self, lease: Lease, holder: Holder) -> None:
        """Renew this lease until `drop`, or until it is lost.

        A gateway's is lost when a worker adopts the call, which is how it learns. Who adopts what
        it holds itself drops it first: a beat under way still carries the old token.
        """
        self._desks[lease.org].leases[lease.call_id] = (lease, holder)

    def wait(self, waiting: Waiting, waiter: Waiter) -> None:
        """Keep this place until it is granted, refused, lost or dropped."""
        desk = self._desks[waiting.org]
        desk.waiters[waiting.call_id] = (waiting, waiter)
        desk.look.set()  # the beat's rhythm changes, and the grant may already be there

    def drop(self, org: str, call_id: CallId) -> None:
        """Renew and await nothing for the call any more; releasing is the caller's to do."""
        self._desks[org].leases.pop(call_id, None)
        self._desks[org].waiters.pop(call_id, None)

    def let_go(self, lease: Lease) -> None:
        """`drop`, but for a lease that was adopted anew by this very process."""
        held = self._desks[lease.org].leases.get(lease.call_id)
        if held is not None and held[0].token == lease.token:
            self.drop(lease.org, lease.call_id)

    def spend(self, org: str, used: int) -> None:
        """Tokens of a response, told with the next heartbeat."""
        desk = self._desks[org]
        desk.spent = replace(desk.spent, used=desk.spent.used + used)

    def remain(self, org: str, remaining: int, limit: int) -> None:
        """What the API says is left of them; its newest word counts."""
        desk = self._desks[org]
        desk.spent = replace(desk.spent, remaining=remaining, limit=limit)

    def circuit(self, org: str) -> Circuit:
        """As the last heartbeat found it."""
        return self._desks[org].circuit

    def limit(self, org: str) -> int | None:
        """As the last heartbeat found it; None: nobody has heard of it yet."""
        return self._desks[org].limit

    def silence_s(self, org: str) -> float:
        """Since the last heartbeat that Redis answered: past the TTL our leases have lapsed."""
        return time.monotonic() - self._desks[org].heard_at

    def leases(self, org: str) -> list[Lease]:
        return [lease for lease, _ in self._desks[org].leases.values()]

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(), name="slot hints")
            for org in self._desks:
                tasks.create_task(self._beat_on(org), name=f"slot heartbeat {org}")

    async def beat(self, org: str) -> Beat:
        """One heartbeat now. Raises `StoreFault`."""
        desk = self._desks[org]
        leases = [lease for lease, _ in desk.leases.values()]
        waiters = [waiting for waiting, _ in desk.waiters.values()]
        spent, desk.spent = (
            desk.spent,
            NOTHING_SPENT,
        )  # an estimate: not kept for when Redis is back
        beat = await self._slots.heartbeat(org, self.holder, leases, waiters, spent)
        desk.heard_at, desk.circuit = time.monotonic(), beat.circuit
        desk.limit = desk.limit if beat.limit is None else beat.limit
        sent = {lease.call_id: lease.token for lease in leases}
        for call_id in beat.lost:
            self._lose(desk, call_id, sent.get(call_id))
        for lease in beat.granted:
            if (waiter := desk.waiters.pop(lease.call_id, None)) is not None:
                desk.leases[lease.call_id] = (lease, waiter[1])
                waiter[1].granted(lease)
        for call_id, waiting in beat.waiting.items():
            self._move(desk, call_id, waiting)
        for call_id, full in beat.refused.items():
            if (waiter := desk.waiters.pop(call_id, None)) is not None:
                waiter[1].refused(full)
        return beat

    def _lose(self, desk: _Desk, call_id: CallId, token: int | None) -> None:
        held = desk.leases.get(call_id)
        if held is not None and held[0].token == token:  # not one adopted anew meanwhile
            del desk.leases[call_id]
            held[1].lost()
        elif token is None and (waiter := desk.waiters.pop(call_id, None)) is not None:
            waiter[1].lost()

    def _move(self, desk: _Desk, call_id: CallId, waiting: Waiting) -> None:
        if (waiter := desk.waiters.get(call_id)) is None:
            return
        before, who = waiter
        desk.waiters[call_id] = (waiting, who)
        if waiting.position != before.position:
            who.moved(waiting)

    async def _beat_on(self, org: str) -> None:
        desk = self._desks[org]
        retry_s = _RETRY_S[0]
        while True:
            desk.look.clear()
            try:
                self._beaten(org, await self.beat(org))
                # Never later than promised; spread, so that a fleet does not beat in step.
                rest_s = self._slots.heartbeat_s * random.uniform(0.8, 0.95)  # noqa: S311 # jitter
                if desk.waiters:
                    rest_s = min(rest_s, self._waiter_beat_s)
                retry_s = _RETRY_S[0]
            except StoreFault as fault:
                self._beaten(org, fault)
                # Soon enough to speak up within the hold-off of a new primary.
                rest_s = retry_s = min(retry_s * 2, _RETRY_S[1], self._slots.heartbeat_s / 2)
                desk.look.clear()
            _stop_if_cancelled()
            await _rest(desk.look, rest_s)

    async def _listen(self) -> None:
        retry_s = _RETRY_S[0]
        while True:
            hints = self._redis.pubsub()
            try:
                await hints.subscribe(hint_channel(self.holder))
                retry_s = _RETRY_S[0]
                for desk in self._desks.values():
                    desk.look.set()  # what was said before we listened
                while True:
                    message = await hints.get_message(
                        ignore_subscribe_messages=True, timeout=_LISTEN_S
                    )
                    _stop_if_cancelled()
                    if message is not None:
                        self._look(bytes(message["data"]).decode())
            except (RedisError, OSError, TimeoutError):
                pass
            finally:
                with suppress(RedisError, OSError, TimeoutError):
                    await hints.aclose()  # type: ignore[no-untyped-call] # redis-py's
            _stop_if_cancelled()
            retry_s = min(retry_s * 2, _RETRY_S[1])
            await asyncio.sleep(retry_s)

    def _look(self, org: str) -> None:
        if (desk := self._desks.get(org)) is not None:
            desk.look.set()


def _stop_if_cancelled() -> None:
    """redis-py may swallow a cancellation: closing a broken connection, it raises an error in its
    place, and then tries again as if nothing had been asked of it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _rest(look: asyncio.Event, at_most_s: float) -> None:
    await asyncio.sleep(min(_HINT_GAP_S, at_most_s))
    try:
        async with asyncio.timeout(at_most_s):
            await look.wait()
    except TimeoutError:
        return
