"""The scripts' longer answers, turned into words: heartbeat, usage, audit. Pure."""

from typing import Any

from callfleet.slots_terms import (
    AgentUsage,
    Beat,
    Circuit,
    Drift,
    Full,
    Lease,
    Priority,
    Scope,
    Usage,
    Waiting,
)


def text_of(reply: Any) -> Any:
    """redis-py's bytes as text, all the way down."""
    if isinstance(reply, bytes):
        return reply.decode()
    if isinstance(reply, list):
        return [text_of(part) for part in reply]
    return reply


def beat_of(org: str, holder: str, reply: list[Any]) -> Beat:
    """From `slots_heartbeat.lua`, its genesis taken out."""
    limit, held, lost, granted, waiting, refused, reasserted, circuit = reply
    return Beat(
        lost=frozenset(lost),
        granted=tuple(Lease(org, agent, call, holder, token) for call, token, agent in granted),
        waiting={
            call: Waiting(org, agent, call, position, ticket, since_ms, Priority(priority))
            for call, position, ticket, since_ms, agent, priority in waiting
        },
        refused={call: Full(Scope(scope)) for call, scope in refused},
        reasserted=reasserted,
        limit=None if limit < 0 else limit,
        held_off=bool(held),
        circuit=Circuit(circuit),
    )


def _pairs(flat: list[Any]) -> dict[str, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def usage_of(org: str, reply: list[Any]) -> Usage:
    """From `slots_usage.lua`."""
    facts, counts, queues, caps = reply
    fact, counted = _pairs(facts), {name: int(n) for name, n in _pairs(counts).items()}
    live = {name[2:]: n for name, n in counted.items() if name.startswith("a:")}
    waiting = {agent: number for agent, number, _ in queues}
    oldest = {agent: oldest_ms / 1000 for agent, _, oldest_ms in queues}
    files = {agent: int(cap) for layer, agent, cap in caps if layer == "file"}
    limits = files | {agent: int(cap) for layer, agent, cap in caps if layer == "set"}

    def known(name: str) -> int | None:
        return None if fact[name] < 0 else fact[name]

    return Usage(
        org=org,
        limit=known("limit"),
        file_limit=known("file_limit"),
        effective_limit=known("effective"),
        live=fact["live"],
        waiting=sum(waiting.values()),
        max_waiting=fact["max_waiting"],
        oldest_wait_s=fact["oldest_wait_ms"] / 1000,
        hold_off_s=fact["hold_ms"] / 1000,
        circuit=Circuit(fact["circuit"]),
        circuit_s=fact["circuit_ms"] / 1000,
        circuit_reason=fact["circuit_reason"],
        tokens_per_minute=known("tpm"),
        token_rate=fact["token_rate"],
        agents={
            agent: AgentUsage(
                live=live.get(agent, 0),
                waiting=waiting.get(agent, 0),
                oldest_wait_s=oldest.get(agent, 0.0),
                limit=limits.get(agent),
                file_limit=files.get(agent),
            )
            for agent in sorted(live | waiting | limits)
        },
        holders={name[2:]: n for name, n in sorted(counted.items()) if name.startswith("h:")},
        totals={name[2:]: n for name, n in sorted(counted.items()) if name.startswith("s:")},
    )


def drift_of(reply: list[Any]) -> Drift:
    """From `slots_audit.lua`, its genesis taken out."""
    counts, ownerless, leaseless, deserted, placeless = reply
    return Drift(
        counts={name: (was, now) for name, was, now in counts},
        leases_without_owner=ownerless,
        owners_without_lease=leaseless,
        places_without_waiter=deserted,
        waiters_without_place=placeless,
    )
