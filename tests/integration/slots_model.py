"""The semaphore in plain Python: what the Lua scripts must do, written a second time, differently.

Lists and sorting instead of sorted sets, one object instead of nine keys. The state machine runs
both and compares every answer; the invariants are then read off this twin, where they are easy to
state. Times are milliseconds; the clock and the server's run are arguments.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.integration.slots_model_circuit import CircuitTwin

GONE_MS = 300_000


@dataclass
class HeldSlot:
    agent: str
    holder: str
    token: int
    adopted: bool
    expires: float


@dataclass
class Place:
    agent: str
    holder: str
    priority: int
    ticket: int
    since: int
    alive: float


@dataclass
class SlotsTwin:
    """One org. `open` first, as every script does; then the operation."""

    ttl: int
    heartbeat_ms: int
    claim: int
    waiter_ttl: int
    genesis: str = ""
    born: float = 0
    run: str = ""
    clock: int = 0
    now: int = 0
    spare: float = 0
    hold: float = 0
    token: int = 0
    next_ticket: int = 0
    turn: int = 0
    limits: dict[str, int] = field(default_factory=dict)  # "" = the org
    overrides: dict[str, int] = field(default_factory=dict)
    reserves: dict[int, int] = field(default_factory=dict)
    max_waiting: int = 0
    circuit: CircuitTwin = field(default_factory=CircuitTwin)
    leases: dict[str, HeldSlot] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    gone: dict[str, float] = field(default_factory=dict)
    ring: dict[str, int] = field(default_factory=dict)
    granted: list[str] = field(default_factory=list)  # by promotion, in order, for the checks
    admitted: list[str] = field(default_factory=list)  # within the limits, for the checks

    def open(self, clock: int, run: str, seen: str) -> None:
        self.granted, self.admitted = [], []
        leash = max(self.heartbeat_ms, self.ttl - 2 * self.heartbeat_ms)
        wait = 1.5 * self.heartbeat_ms
        if not self.genesis:
            self.genesis, self.run = f"{run}:{clock}", run
            self.born = self.now = self.clock = self.token = self.next_ticket = clock
        elapsed, self.clock = clock - self.clock, clock
        self.now += max(0, min(elapsed, leash))
        if run != self.run:
            self.run, self.hold = run, max(self.hold, self.now + wait)
            self.token = max(self.token + 1_000_000, clock)
            self.next_ticket = max(self.next_ticket + 1_000_000, clock)
        if seen not in ("", self.genesis):
            self.hold = max(self.hold, self.born + wait)
        if (elapsed < -1000 or elapsed > leash) and self.now > self.spare + self.ttl:
            self.spare = self.now + wait

    @property
    def held(self) -> bool:
        return self.now < self.hold

    def limit(self, of: str = "") -> int | None:
        return self.overrides.get(of, self.limits.get(of))

    def live(self, agent: str) -> int:
        return sum(lease.agent == agent for lease in self.leases.values())

    def refusal(self, agent: str, priority: int) -> str | None:
        limit, cap = self.limit(), self.limit(agent)
        if limit is None:
            return "unconfigured"
        if priority and self.circuit.shut(self.now):
            return "circuit"
        if self.held:
            return "hold_off"
        if priority:
            limit = max(min(1, limit), limit - self.reserves[priority])
        if len(self.leases) >= limit:
            return "org"
        return "agent" if cap is not None and self.live(agent) >= cap else None

    def line(self, agent: str) -> list[str]:
        """The agent's waiters, first to be served first."""
        mine = [(p.priority, p.ticket, call) for call, p in self.places.items() if p.agent == agent]
        return [call for _, _, call in sorted(mine)]

    def purge(self) -> None:
        if self.now < max(self.hold, self.spare):
            return
        self.leases = {c: lease for c, lease in self.leases.items() if lease.expires > self.now}
        self.places = {c: place for c, place in self.places.items() if place.alive > self.now}
        self.gone = {c: until for c, until in self.gone.items() if until > self.now}

    def promote(self) -> None:
        while not self.held:
            self.ring = {a: turn for a, turn in self.ring.items() if self.line(a)}
            heads = {agent: self.line(agent)[0] for agent in self.ring}
            ready = [
                (self.places[call].priority, self.live(agent), self.ring[agent], agent)
                for agent, call in heads.items()
                if self.refusal(agent, self.places[call].priority) is None
            ]
            if not ready:
                return
            agent = min(ready)[3]
            place = self.places.pop(heads[agent])
            self.circuit.tried(self.now, place.priority)
            self._grant(heads[agent], agent, place.holder, False, self.claim)
            self.granted.append(heads[agent])
            self.turn += 1
            self.ring[agent] = self.turn

    def _grant(self, call: str, agent: str, holder: str, adopted: bool, ttl: int) -> None:
        self.token += 1
        self.admitted.append(call)
        self.leases[call] = HeldSlot(agent, holder, self.token, adopted, self.now + ttl)
        self.gone.pop(call, None)

    def _enqueue(self, call: str, place: Place) -> None:
        self.places[call] = place
        self.ring.setdefault(place.agent, self.turn)

    def acquire(self, call: str, agent: str, holder: str, priority: int, wait: bool) -> list[Any]:
        self.purge()
        self.promote()
        if lease := self.leases.get(call):
            if not lease.adopted:
                lease.holder, lease.expires = holder, self.now + self.ttl
            return ["lease", lease.token, lease.holder, lease.agent]
        place = self.places.pop(call, None)
        no = self.refusal(agent, priority)
        if place:
            if self.circuit.is_open(self.now) and place.priority:
                return ["full", "circuit"]
            place.holder, place.alive = holder, self.now + self.waiter_ttl
        elif no is None:
            self.circuit.tried(self.now, priority)
            self._grant(call, agent, holder, False, self.ttl)
            return ["lease", self.token, holder, agent]
        else:
            full = priority > 0 and len(self.places) >= self.max_waiting
            hopeless = no in ("circuit", "unconfigured")
            if not wait or hopeless or full:
                crowded = wait and full and self.max_waiting > 0 and not hopeless
                return ["full", "queue" if crowded else no]
            self.gone.pop(call, None)
            self.next_ticket += 1
            alive = self.now + self.waiter_ttl
            place = Place(agent, holder, priority, self.next_ticket, self.now, alive)
        self._enqueue(call, place)
        position = self.line(place.agent).index(call) + 1
        return ["waiting", position, place.ticket, place.since, place.agent, place.priority]

    def adopt(self, call: str, agent: str, holder: str) -> list[Any]:
        answer: list[Any]
        if lease := self.leases.get(call):
            self.token += 1
            lease.token, lease.holder, lease.adopted = self.token, holder, True
            lease.expires = self.now + self.ttl
            answer = ["lease", self.token, holder, lease.agent]
        else:
            self.places.pop(call, None)
            self.purge()
            no = self.refusal(agent, 0)
            if no in (None, "hold_off"):
                self._grant(call, agent, holder, True, self.ttl)
                if no:
                    self.admitted.remove(call)  # known to have been admitted earlier
                answer = ["lease", self.token, holder, agent]
            else:
                answer = ["full", no]
        self.purge()
        self.promote()
        return answer

    def _renew(self, holder: str, call: str, agent: str, token: int) -> str:
        own = self.leases.get(call)
        if own and (own.token, own.holder) == (token, holder):
            own.expires = self.now + self.ttl
            return "renewed"
        if (own and own.token >= token) or call in self.gone:
            return "lost"
        self.leases[call] = HeldSlot(agent, holder, token, True, self.now + self.ttl)
        self.token = max(self.token, token)
        return "reasserted"

    def _still_here(self, holder: str, call: str, words: list[Any]) -> None:
        agent, priority, ticket, since = words
        place, alive = self.places.get(call), self.now + self.waiter_ttl
        if call in self.leases:
            return
        if place and place.holder == holder:
            place.alive = alive
        elif not place and call not in self.gone:
            first = min(self.now, since)
            self._enqueue(call, Place(agent, holder, priority, ticket, first, alive))

    def heartbeat(self, holder: str, leases: list[Any], waiters: list[Any]) -> dict[str, Any]:
        outcomes = [(words[0], self._renew(holder, *words)) for words in leases]
        lost = {call for call, outcome in outcomes if outcome == "lost"}
        for call, *words in waiters:
            self._still_here(holder, call, words)
        self.purge()
        self.promote()
        granted, waiting, refused = {}, {}, set()
        for call, *_ in waiters:
            own, place = self.leases.get(call), self.places.get(call)
            if own and own.holder == holder:
                own.expires = self.now + self.ttl
                granted[call] = own.token
            elif not place or place.holder != holder:
                lost.add(call)
            elif place.priority and self.circuit.is_open(self.now):
                del self.places[call]
                refused.add(call)
            else:
                waiting[call] = self.line(place.agent).index(call) + 1
        return {
            "lost": lost,
            "granted": granted,
            "waiting": waiting,
            "refused": refused,
            "reasserted": sum(outcome == "reasserted" for _, outcome in outcomes),
        }

    def release(self, call: str, token: int) -> bool:
        own = self.leases.get(call)
        ours = own is not None and own.token == token
        if ours:
            del self.leases[call]
        if ours or own is None:
            self.gone[call] = self.now + GONE_MS
        self.purge()
        self.promote()
        return ours

    def leave(self, call: str) -> None:
        own = self.leases.get(call)
        if own is None or not own.adopted:
            self.leases.pop(call, None)
            self.gone[call] = self.now + GONE_MS
        self.places.pop(call, None)
        self.purge()
        self.promote()

    # --- invariants; each names the calls that break it ---

    def over_admitted(self) -> list[str]:
        """1: grants of the last step that were not inside both limits."""

        def inside(agent: str) -> bool:
            cap = self.limit(agent)
            org_holds = len(self.leases) <= (self.limit() or 0)
            return org_holds and (cap is None or self.live(agent) <= cap)

        return [call for call in self.admitted if not inside(self.leases[call].agent)]

    def overtaken(self, before: "SlotsTwin") -> list[str]:
        """4: those still waiting though one of their line behind them was promoted."""
        ranks = [p for call in self.granted if (p := before.places.get(call))]
        return [
            call
            for call, place in self.places.items()
            for rank in ranks
            if (rank.agent, rank.priority) == (place.agent, place.priority)
            and rank.ticket > place.ticket
        ]

    def waiting_in_vain(self) -> list[str]:
        """5, 6, 10: those who wait though they could be served."""
        return [c for c, p in self.places.items() if self.refusal(p.agent, p.priority) is None]
