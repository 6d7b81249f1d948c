"""The words of the semaphore: what is asked of it and what it answers.

Apart from `slots.py` so that pure code (and tests' models) can speak of leases without reaching
Redis.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final, Self

from callfleet.calls import CallId
from callfleet.config_model import Agent, Org


class Priority(IntEnum):
    """Lower goes first; the reserve is kept from all but the first."""

    TAKEOVER = 0  # a call that had its slot already
    INBOUND = 1
    OUTBOUND = 2


class Scope(StrEnum):
    """What stood in the way of a slot; a closed set, used as a metric label."""

    ORG = "org"
    AGENT = "agent"
    QUEUE = "queue"  # would have waited, but the queue is full
    TOKENS = "tokens"  # the org's tokens per minute are spoken for
    CIRCUIT = "circuit"  # the API refuses this org's key: nobody gets in
    HOLD_OFF = "hold_off"  # Redis lost its memory a moment ago; its holders are speaking up


class Refusal(StrEnum):
    """How the API said no; all of them make the org back off."""

    RATE_LIMIT = "rate_limit"
    QUOTA = "quota"
    CAPACITY = "capacity"


class Circuit(StrEnum):
    """Whether the API takes the org's key."""

    CLOSED = ""  # as far as anybody knows
    OPEN = "open"  # it was refused: nobody gets in
    HALF = "half"  # that was a while ago: one call at a time tries


@dataclass(frozen=True, slots=True)
class Spent:
    """What the API told one process of the org's tokens since its last heartbeat."""

    used: int = 0  # by our responses
    remaining: int | None = None  # of `limit`, by the API's own count; None: it did not say
    limit: int = 0


NOTHING_SPENT: Final = Spent()


@dataclass(frozen=True, slots=True)
class OrgLimits:
    """What the configuration file says of one org."""

    sessions: int
    agents: Mapping[str, int] = field(default_factory=dict)  # those with a cap of their own
    reserve_inbound: int = 0  # kept back for takeovers
    reserve_outbound: int = 0  # kept back for takeovers and callers
    max_waiting: int = 0
    tokens_per_minute: int | None = None
    floor: int | None = None  # backing off goes no lower; None = a tenth of `sessions`

    @classmethod
    def of(cls, org: Org, agents: Iterable[Agent]) -> Self:
        """From the decoded file; `agents` may be all of it, those of other orgs are passed over."""
        return cls(
            sessions=org.sessions,
            agents={a.name: a.sessions for a in agents if a.org == org.name and a.sessions},
            reserve_inbound=org.reserve,
            reserve_outbound=org.reserve,
            max_waiting=org.queue.max_waiting,
            tokens_per_minute=org.tokens_per_minute,
        )


@dataclass(frozen=True, slots=True)
class Lease:
    """A call's permission to hold a session, while somebody renews it."""

    org: str
    agent: str
    call_id: CallId
    holder: str
    token: int  # raised at each adoption; what carries a lower one is refused


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call's place in its agent's queue. Keep the newest: it is shown again at each heartbeat."""

    org: str
    agent: str
    call_id: CallId
    position: int  # 1 = next of this agent
    ticket: int  # its rank within agent and priority, kept even if Redis forgets
    since_ms: int  # on the semaphore's own clock
    priority: Priority = Priority.INBOUND


@dataclass(frozen=True, slots=True)
class Full:
    """No slot now, and no place to wait for one."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class Beat:
    """What a heartbeat learned."""

    lost: frozenset[CallId] = frozenset()  # ours no more: stop, write nothing
    granted: tuple[Lease, ...] = ()  # waiters that got their slot
    waiting: Mapping[CallId, Waiting] = field(default_factory=dict)
    refused: Mapping[CallId, Full] = field(default_factory=dict)  # waiters with nothing to wait for
    reasserted: int = 0  # leases Redis had forgotten or let lapse, registered again
    limit: int | None = None  # the org's, in force
    held_off: bool = False
    circuit: Circuit = Circuit.CLOSED


@dataclass(frozen=True, slots=True)
class AgentUsage:
    """One agent's part of the org."""

    live: int = 0
    waiting: int = 0
    oldest_wait_s: float = 0.0
    limit: int | None = None  # in force; None = no cap of its own
    file_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """One org's semaphore at a glance."""

    org: str
    limit: int | None  # in force; None = nobody has configured the org yet
    file_limit: int | None
    effective_limit: int | None  # after backing off
    live: int
    waiting: int
    max_waiting: int
    oldest_wait_s: float
    hold_off_s: float  # > 0: grants are held off
    circuit: Circuit
    circuit_s: float  # how long it stays open
    circuit_reason: str
    tokens_per_minute: int | None
    token_rate: int  # tokens per minute just now, pledges included
    agents: Mapping[str, AgentUsage]
    holders: Mapping[str, int]
    totals: Mapping[str, int]  # since the state began: granted, refused, expired, ...

    @property
    def over(self) -> int:
        """How far above the limit: after a shrink or a failover, until calls end."""
        return max(0, self.live - self.limit) if self.limit is not None else 0


@dataclass(frozen=True, slots=True)
class Drift:
    """What an audit found wrong, and mended."""

    counts: Mapping[str, tuple[int, int]]  # "a:<agent>" or "h:<holder>": was, is
    leases_without_owner: int = 0
    owners_without_lease: int = 0
    places_without_waiter: int = 0
    waiters_without_place: int = 0

    @property
    def total(self) -> int:
        return (
            len(self.counts)
            + self.leases_without_owner
            + self.owners_without_lease
            + self.places_without_waiter
            + self.waiters_without_place
        )


KEYS: Final = (
    "config",
    "leases",
    "owners",
    "counts",
    "queue",
    "waiters",
    "alive",
    "ring",
    "gone",
    "caps",
)


def slot_keys(org: str) -> list[str]:
    """Every Redis key of one org's semaphore; one hash tag, so a cluster keeps them together."""
    assert org and not set(org) & set("{}"), org
    return [f"callfleet:slots:{{{org}}}:{name}" for name in KEYS]


def hint_channel(holder: str) -> str:
    """Where a process is told to look now; the message is the org."""
    return f"callfleet:slots:hint:{holder}"
