"""The scripts against their twin, in random order, on a real Redis with a clock moved by hand.

After every step: the same answers, the same state, and the invariants that make it a semaphore.
Processes here remember what they were told and nothing else, so zombies, lost replies, failovers
to yesterday's replica and jumping clocks arise as they do in life. A run is repeated with
CALLFLEET_TEST_SEED=<the seed it printed>.
"""

import os
import random

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from callfleet.calls import CallId
from callfleet.errors import AtCapacity, StoreFault
from callfleet.slots import Full, Lease, OrgLimits, Priority, Waiting
from tests.integration.slots_stage import ORG, Process, Stage

SEED = int(os.environ.get("CALLFLEET_TEST_SEED") or random.randrange(2**32))
EXAMPLES = int(os.environ.get("CALLFLEET_TEST_EXAMPLES") or 80)

calls = st.integers(1, 9).map(lambda n: CallId(f"call-{n}"))
agents = st.sampled_from(["a", "b", "c"])
processes = st.sampled_from(["p1", "p2", "p3"])


class Semaphore(Stage):
    def __init__(self) -> None:
        super().__init__()
        self.configure("p1")

    def configure(self, name: str) -> None:
        limits = OrgLimits(3, {"a": 1, "b": 2}, reserve_outbound=1, max_waiting=5)
        self.wait_for(self.opened(name).slots.configure(ORG, limits))
        stated = {"": 3, "a": 1, "b": 2}
        for of in self.twin.limits.keys() | stated.keys():
            if self.twin.limits.get(of, stated.get(of)) != stated.get(of):
                self.twin.overrides.pop(of, None)
        self.twin.limits, self.twin.reserves, self.twin.max_waiting = stated, {1: 0, 2: 1}, 5
        self.twin.purge()
        self.twin.promote()
        self.check()

    # --- what processes do ---

    @rule(
        call=calls,
        agent=agents,
        name=processes,
        priority=st.sampled_from(Priority),
        wait=st.booleans(),
    )
    def acquire(self, call: CallId, agent: str, name: str, priority: Priority, wait: bool) -> None:
        process = self.opened(name)
        expected = self.twin.acquire(call, agent, name, priority, wait)
        asked = process.slots.acquire(ORG, agent, call, holder=name, priority=priority, wait=wait)
        if expected == ["full", "unconfigured"]:
            with pytest.raises(StoreFault):
                self.wait_for(asked)
            return
        answer = self.wait_for(asked)
        match answer:
            case Lease():
                assert expected == ["lease", answer.token, answer.holder, answer.agent]
                if answer.holder == name:
                    process.leases[call] = answer
            case Waiting() as w:
                words = ["waiting", w.position, w.ticket, w.since_ms, w.agent, w.priority]
                assert expected == words
                process.places[call] = w
            case Full():
                assert expected == ["full", answer.scope]
        self.check()

    @rule(which=st.integers(0, 99), call=calls, agent=agents, name=processes)
    def adopt(self, which: int, call: CallId, agent: str, name: str) -> None:
        """Mostly a call that has its slot, now and then one that has not."""
        living = [*map(CallId, sorted(self.twin.leases)), call]
        call = living[which % len(living)]
        process = self.opened(name)
        had = self.twin.leases.get(call)
        token, number = (had.token if had else 0), len(self.twin.leases)
        expected = self.twin.adopt(call, agent, name)
        try:
            lease = self.wait_for(process.slots.adopt(ORG, agent, call, holder=name))
        except AtCapacity:
            assert expected[0] == "full"
        else:
            assert expected == ["lease", lease.token, name, lease.agent]
            assert lease.token > token  # 11: one lease, a higher token
            assert not had or len(self.twin.leases) - len(self.twin.granted) <= number
            process.leases[call] = lease
            process.places.pop(call, None)
        self.check()

    @rule(name=processes)
    def heartbeat(self, name: str) -> None:
        process = self.opened(name)
        leases, places = list(process.leases.values()), list(process.places.values())
        expected = self.twin.heartbeat(
            name,
            [(lease.call_id, lease.agent, lease.token) for lease in leases],
            [(w.call_id, w.agent, w.priority, w.ticket, w.since_ms) for w in places],
        )
        beat = self.wait_for(process.slots.heartbeat(ORG, name, leases, places))
        assert beat.lost == expected["lost"]
        assert {lease.call_id: lease.token for lease in beat.granted} == expected["granted"]
        assert {call: w.position for call, w in beat.waiting.items()} == expected["waiting"]
        assert set(beat.refused) == expected["refused"]
        assert beat.reasserted == expected["reasserted"]
        for call in beat.lost:
            process.leases.pop(call, None)
        process.leases |= {lease.call_id: lease for lease in beat.granted}
        process.places = dict(beat.waiting)
        self.check()

    @rule(rush=st.lists(st.tuples(calls, agents, processes), min_size=3, max_size=9))
    def many_call(self, rush: list[tuple[CallId, str, str]]) -> None:
        for call, agent, name in rush:
            self.acquire(call, agent, name, Priority.INBOUND, True)

    @rule(which=st.integers(0, 99), twice=st.booleans(), forgets=st.booleans())
    def release(self, which: int, twice: bool, forgets: bool) -> None:
        """`twice`: the reply was lost; not `forgets`: a zombie that goes on all the same."""
        held = [(n, call) for n, process in self.processes.items() for call in process.leases]
        if not held:
            return
        name, call = held[which % len(held)]
        lease = self.processes[name].leases[call]
        for _ in range(1 + twice):
            process = self.opened(name)
            expected = self.twin.release(call, lease.token)
            assert self.wait_for(process.slots.release(lease)) == expected
            self.check()
        if forgets:
            del self.processes[name].leases[call]

    @rule(whiches=st.lists(st.integers(0, 99), min_size=2, max_size=5), name=processes)
    def calls_end(self, whiches: list[int], name: str) -> None:
        for which in whiches:
            self.release(which, False, True)
            self.heartbeat(name)

    @rule(name=processes, call=calls)
    def leave(self, name: str, call: CallId) -> None:
        process = self.opened(name)
        self.twin.leave(call)
        self.wait_for(process.slots.leave(ORG, call))
        process.places.pop(call, None)
        self.check()

    @rule(calls=st.lists(st.integers(0, 99), min_size=1, max_size=4), name=processes)
    def takeovers(self, calls: list[int], name: str) -> None:
        """The old holders live on as zombies, and give back what is no longer theirs."""
        for which in calls:
            self.adopt(which, CallId("call-1"), "a", name)
            self.release(which + 1, True, False)

    @rule(name=processes)
    def crash(self, name: str) -> None:
        self.processes[name] = Process(self.redis)

    # --- what operators and fate do ---

    @rule(
        sessions=st.sampled_from([None, None, 0, 1, 2, 3, 5, 8]),
        agent=st.sampled_from(["", "a", "c"]),
    )
    def set_limit(self, sessions: int | None, agent: str) -> None:
        process = self.opened("ops")
        if agent == "" and "" not in self.twin.limits:
            with pytest.raises(StoreFault):
                self.wait_for(process.slots.set_limit(ORG, sessions))
            return
        self.twin.overrides.pop(agent, None)
        if sessions is not None:
            self.twin.overrides[agent] = sessions
        self.twin.purge()
        self.twin.promote()
        self.wait_for(process.slots.set_limit(ORG, sessions, agent or None))
        self.check()

    @rule(name=processes)
    def restart_with_the_same_file(self, name: str) -> None:
        self.configure(name)

    @rule(what=st.sampled_from(["open", "good", "close"]))
    def circuit(self, what: str) -> None:
        process = self.opened("ops")
        self.twin.purge()
        if what == "open":
            self.twin.circuit.refused(self.twin.now, 5_000)
            self.wait_for(process.slots.open_circuit(ORG, "bad key", for_s=5))
        elif what == "good":
            self.twin.circuit.taken(self.twin.now)
            self.twin.promote()
            self.wait_for(process.slots.report_good(ORG))
        else:
            self.twin.circuit.until = 0
            self.twin.promote()
            self.wait_for(process.slots.close_circuit(ORG))
        self.check(promoted=what != "open")

    @rule(ms=st.sampled_from([1, 900, 2_500, 4_900]))
    def time_passes(self, ms: int) -> None:
        self.clock += ms
        self.show_time()

    @rule(beats=st.integers(1, 4))
    def life_goes_on(self, beats: int) -> None:
        """Everybody keeps the promise to come."""
        for _ in range(beats):
            self.time_passes(2_000)
            for name in ("p1", "p2", "p3"):
                self.heartbeat(name)

    @rule(fate=st.integers(0, 7))
    def fate_strikes(self, fate: int) -> None:
        """Everything is forgotten, an old replica takes over, or the clock jumps."""
        if fate == 0:
            self.wipe()
            self.configure("p1")  # the first process back states its file again
        elif fate < 4 and self.replica is not None:
            self.put_photograph_back()
        elif fate in (4, 5):
            self.time_passes(-60_000 if fate == 4 else 60_000)
        else:
            self.take_photograph()

    # --- what must be true ---

    def check(self, *, promoted: bool = True) -> None:
        self.same_state()
        assert self.twin.over_admitted() == []
        assert self.twin.overtaken(self.before) == []
        if promoted:
            assert self.twin.waiting_in_vain() == []

    def same_state(self) -> None:
        twin = self.twin
        usage = self.wait_for(self.processes["ops"].slots.usage(ORG))
        assert usage.live == len(twin.leases)
        assert usage.waiting == len(twin.places)
        assert usage.limit == twin.limit()
        live = {agent: of.live for agent, of in usage.agents.items() if of.live}
        assert live == {a: twin.live(a) for a in ("a", "b", "c") if twin.live(a)}
        holders = [lease.holder for lease in twin.leases.values()]
        assert usage.holders == {name: holders.count(name) for name in sorted(set(holders))}

    @rule()
    def audit(self) -> None:
        """2: what is derived agrees with the leases."""
        process = self.opened("ops")
        self.twin.purge()
        self.twin.promote()
        assert self.wait_for(process.slots.audit(ORG)).total == 0
        self.check()


def test_the_scripts_and_their_twin_agree(redis_url: str) -> None:
    print(f"CALLFLEET_TEST_SEED={SEED}")
    Semaphore.url = redis_url
    limits = settings(
        max_examples=EXAMPLES,
        stateful_step_count=50,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        print_blob=True,
    )
    run_state_machine_as_test(seed(SEED)(Semaphore), settings=limits)
