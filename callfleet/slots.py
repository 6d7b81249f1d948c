"""The semaphore: how many sessions each org and agent may have, agreed on by the whole fleet.

A slot is a lease in Redis that must be renewed, so a crashed holder's comes back by itself. The
lease belongs to the call: a worker that adopts the call takes the same lease over under a higher
token, and whoever comes with the old one learns it is lost. Check and change are one Lua script
(`slots_*.lua`) on the server's own clock; a freed slot is handed to the first waiter inside the
same script. Nothing here ends a live call: a holder Redis has forgotten registers again at its
next heartbeat, and new calls wait until the holders had time for that.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from redis.asyncio import Redis

from callfleet.calls import CallId
from callfleet.errors import AtCapacity, ConfigFault, StoreFault
from callfleet.redis_scripts import Script, lua
from callfleet.slots_terms import (
    NOTHING_SPENT,
    AgentUsage,
    Beat,
    Circuit,
    Drift,
    Full,
    Lease,
    OrgLimits,
    Priority,
    Refusal,
    Scope,
    Spent,
    Usage,
    Waiting,
    hint_channel,
    slot_keys,
)
from callfleet.slots_views import beat_of, drift_of, text_of, usage_of

__all__ = [
    "AgentUsage",
    "Beat",
    "Circuit",
    "Drift",
    "Full",
    "Lease",
    "OrgLimits",
    "Priority",
    "Refusal",
    "Scope",
    "Slots",
    "Spent",
    "Usage",
    "Waiting",
    "hint_channel",
    "slot_keys",
]

_SCRIPTS: Final = (
    "acquire",
    "adopt",
    "heartbeat",
    "release",
    "leave",
    "configure",
    "limit",
    "report",
    "usage",
    "audit",
)


class Slots:
    """One process' view of the semaphore. Every method raises `StoreFault` when Redis is away.

    The times must be the same in every process of a fleet. `heartbeat_s` is how often each holder
    promises to come; processes with nothing to renew come as well, since the semaphore's clock
    moves by being touched.
    """

    def __init__(
        self,
        redis: "Redis",
        *,
        lease_ttl_s: float = 15.0,
        heartbeat_s: float = 5.0,
        claim_s: float = 4.0,
        waiter_ttl_s: float = 3.0,
    ) -> None:
        assert lease_ttl_s >= 2 * heartbeat_s > 0, "a lease must outlive a missed heartbeat"
        self.lease_ttl_s = lease_ttl_s
        self.heartbeat_s = heartbeat_s
        self._times = [
            int(s * 1000) for s in (lease_ttl_s, heartbeat_s, min(claim_s, lease_ttl_s))
        ] + [int(waiter_ttl_s * 1000)]
        self._scripts = {
            name: Script(
                redis,
                lua("slots_state", "slots_rules", f"slots_{name}"),
                doing=f"slots {name}",
            )
            for name in _SCRIPTS
        }
        # Told how long each script took, as its caller sees it.
        self.timed: Callable[[str, float], None] = lambda _name, _took_s: None
        self._limits: dict[str, OrgLimits] = {}
        self._genesis: dict[str, str] = {}  # which life of each org's state we have seen

    async def configure(self, org: str, limits: OrgLimits) -> None:
        """State the file's limits; every process does at its start.

        Idempotent. What was set at run time (`set_limit`) stays in force until a file comes that
        says something else than the file before it.
        """
        self._limits[org] = limits
        caps = [word for pair in limits.agents.items() for word in pair]
        floor = limits.floor if limits.floor is not None else -(-limits.sessions // 10)
        await self._run(
            "configure",
            org,
            limits.sessions,
            limits.reserve_inbound,
            limits.reserve_outbound,
            limits.max_waiting,
            max(1, floor),
            "" if limits.tokens_per_minute is None else limits.tokens_per_minute,
            *caps,
        )

    async def acquire(
        self,
        org: str,
        agent: str,
        call_id: CallId,
        *,
        holder: str,
        priority: Priority = Priority.INBOUND,
        wait: bool = False,
    ) -> Lease | Waiting | Full:
        """A slot for a new call, or a place in the queue if `wait`, or neither.

        Asking again for the same call answers the same lease or place, now under this holder: a
        leg may arrive at another gateway than its webhook. A place must be kept by heartbeats.
        """
        assert "|" not in agent, agent
        words = (call_id, agent, holder, int(priority), int(wait))
        reply = await self._run("acquire", org, *words)
        if reply == ["full", "unconfigured"]:  # Redis forgot; we have not
            if org not in self._limits:
                raise StoreFault(f"slots acquire: nobody has configured org {org!r}")
            await self.configure(org, self._limits[org])
            reply = await self._run("acquire", org, *words)
        match reply:
            case ["lease", token, owner, its_agent]:
                return Lease(org, its_agent, call_id, owner, token)
            case ["waiting", position, ticket, since_ms, its_agent, its_priority]:
                return Waiting(
                    org, its_agent, call_id, position, ticket, since_ms, Priority(its_priority)
                )
            case ["full", scope]:
                return Full(Scope(scope))
        raise AssertionError(reply)

    async def adopt(
        self, org: str, agent: str, call_id: CallId, *, holder: str, live: bool = False
    ) -> Lease:
        """The call is ours from now on: its own slot under a higher token.

        Only if its lease is gone must a slot be won again, before everybody who waits and from the
        reserve. Raises `AtCapacity`; not if the call is `live`, admitted while Redis was away: then
        it is counted, above the limit if need be.
        """
        assert "|" not in agent, agent
        words = (call_id, agent, holder, int(live))
        reply = await self._run("adopt", org, *words)
        if reply == ["full", "unconfigured"] and org in self._limits:
            await self.configure(org, self._limits[org])
            reply = await self._run("adopt", org, *words)
        match reply:
            case ["lease", token, owner, its_agent]:
                return Lease(org, its_agent, call_id, owner, token)
            case ["full", scope]:
                raise AtCapacity(f"no slot for the call: {scope}")
        raise AssertionError(reply)

    async def heartbeat(
        self,
        org: str,
        holder: str,
        leases: Sequence[Lease] = (),
        waiters: Sequence[Waiting] = (),
        spent: Spent = NOTHING_SPENT,
    ) -> Beat:
        """Renew everything this process holds and waits for in the org, and learn what changed.

        A lease Redis has forgotten, or let lapse while we could not speak, is registered again,
        above the limit if need be; one that somebody adopted or gave back is `lost`. What the API
        said of tokens travels along.
        """
        words: list[str | int] = [holder, len(leases)]
        for lease in leases:
            words += (lease.call_id, lease.agent, lease.token)
        words.append(len(waiters))
        for w in waiters:
            words += (w.call_id, w.agent, int(w.priority), w.ticket, w.since_ms)
        words += _tokens(spent)
        reply = await self._run("heartbeat", org, *words)
        beat = beat_of(org, holder, reply)
        if beat.limit is None and org in self._limits:  # Redis forgot; we have not
            await self.configure(org, self._limits[org])
        return beat

    async def release(self, lease: Lease) -> bool:
        """Give the slot back. Idempotent; False = it was not ours any more."""
        reply = await self._run("release", lease.org, lease.call_id, lease.token)
        return bool(reply[0])

    async def leave(self, org: str, call_id: CallId) -> None:
        """The caller hung up while waiting: out of the queue at once."""
        await self._run("leave", org, call_id)

    async def set_limit(self, org: str, sessions: int | None, agent: str | None = None) -> None:
        """Change a limit of the running fleet, at once; None = back to what the file says.

        Shrinking ends no call. Raises `ConfigFault` for an org nobody has configured.
        """
        value = "" if sessions is None else sessions
        reply = await self._run("limit", org, agent or "", value)
        if reply[0] != "ok":
            raise ConfigFault([f"{org}: no gateway or worker has stated this org's limits"])

    async def report_refusal(self, org: str, kind: Refusal = Refusal.RATE_LIMIT) -> None:
        """The API refused a session or response: the org's limit backs off for a while."""
        await self._run("report", org, "refusal", kind.value)

    async def open_circuit(self, org: str, reason: str, *, for_s: float = 60.0) -> None:
        """The key itself is refused: no new calls, and those waiting are told at once.

        Afterwards one call at a time tries whether it is taken again; if not, twice as long.
        """
        await self._run("report", org, "open", int(for_s), reason)

    async def close_circuit(self, org: str) -> None:
        """Somebody mended the key."""
        await self._run("report", org, "close")

    async def report_good(self, org: str) -> None:
        """A new session answered a caller: a circuit that is half open closes."""
        await self._run("report", org, "good")

    async def usage(self, org: str) -> Usage:
        """Reads only."""
        reply = await self._scripts["usage"](slot_keys(org), self._words(org, ()))
        return usage_of(org, text_of(reply))

    async def audit(self, org: str) -> Drift:
        """Recompute what is derived, repair what drifted, say what it was."""
        return drift_of(await self._run("audit", org))

    def _words(self, org: str, words: Sequence[str | int]) -> list[str | bytes | float]:
        return [org, self._genesis.get(org, ""), *self._times, *words]

    async def _run(self, name: str, org: str, *words: str | int) -> list[Any]:
        """Run a script that answers `verdict, genesis, ...` or `..., genesis` (see each file)."""
        asked_at = time.perf_counter()
        given = await self._scripts[name](slot_keys(org), self._words(org, words))
        self.timed(name, time.perf_counter() - asked_at)
        reply: list[Any] = text_of(given)
        place = 0 if name == "audit" else 1
        self._genesis[org] = reply[place]
        return reply[:place] + reply[place + 1 :]


def _tokens(spent: Spent) -> tuple[int | str, ...]:
    told = spent.remaining is not None
    return spent.used, (spent.remaining or 0) if told else "", spent.limit if told else ""
