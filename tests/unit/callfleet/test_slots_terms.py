"""The words of the semaphore: limits from the file, keys, what a usage says of itself."""

import pytest

from callfleet.config import load_config
from callfleet.slots_terms import Circuit, Drift, OrgLimits, slot_keys
from callfleet.slots_views import beat_of, text_of, usage_of

FILE = """
orgs:
  main: {sessions: 100, reserve: 5, tokens_per_minute: 40000, queue: {max_waiting: 50}}
  other: {sessions: 7}
agents:
  a: {org: main, sessions: 40, vertical: test, instructions: Be kind.}
  b: {org: main, vertical: test, instructions: Be kind.}
  c: {org: other, sessions: 2, vertical: test, instructions: Be kind.}
"""


def test_an_orgs_limits_are_read_off_the_file() -> None:
    config = load_config(FILE)
    assert OrgLimits.of(config.orgs["main"], config.agents.values()) == OrgLimits(
        sessions=100,
        agents={"a": 40},
        reserve_inbound=5,
        reserve_outbound=5,
        max_waiting=50,
        tokens_per_minute=40_000,
    )


def test_all_keys_of_an_org_share_one_hash_tag() -> None:
    keys = slot_keys("main")
    assert len(set(keys)) == 10
    assert all(key.startswith("callfleet:slots:{main}:") for key in keys)


@pytest.mark.parametrize("org", ["", "a}b", "{"])
def test_an_org_that_would_break_the_hash_tag_is_refused(org: str) -> None:
    with pytest.raises(AssertionError):
        slot_keys(org)


def test_bytes_become_text_all_the_way_down() -> None:
    assert text_of([b"a", 1, [b"b", [b"c"]]]) == ["a", 1, ["b", ["c"]]]


def test_a_beat_is_read() -> None:
    reply = [1, 1, ["x"], [["g", 5, "a"]], [["w", 2, 9, 8, "a", 2]], [["r", "circuit"]], 3, "half"]
    beat = beat_of("main", "me", reply)
    assert beat.lost == {"x"}
    assert [(lease.call_id, lease.token, lease.holder) for lease in beat.granted] == [
        ("g", 5, "me")
    ]
    (waiting,) = beat.waiting.values()
    assert (waiting.position, waiting.ticket, waiting.since_ms, waiting.priority) == (2, 9, 8, 2)
    assert beat.refused["r"].scope == "circuit"  # type: ignore[index] # a CallId is a str
    assert (beat.reasserted, beat.held_off, beat.limit) == (3, True, 1)
    assert beat.circuit is Circuit.HALF


def test_a_usage_knows_how_far_above_its_limit_it_is() -> None:
    facts = {
        "limit": 2, "file_limit": 5, "set_limit": 2, "effective": 2, "live": 6,
        "oldest_wait_ms": 1500, "max_waiting": 9, "hold_ms": 0, "circuit_ms": 0,
        "circuit": "", "circuit_reason": "", "tpm": -1, "token_rate": 0,
    }  # fmt: skip
    counts = ["a:x", "6", "h:w1", "6", "s:granted", "8"]
    caps = [["file", "x", "4"], ["set", "x", "3"], ["file", "y", "1"]]
    flat = [part for pair in facts.items() for part in pair]
    usage = usage_of("main", [flat, counts, [["x", 2, 1500]], caps])
    assert (usage.over, usage.waiting, usage.oldest_wait_s) == (4, 2, 1.5)
    assert usage.tokens_per_minute is None
    x, y = usage.agents["x"], usage.agents["y"]
    assert (x.live, x.waiting, x.limit, x.file_limit) == (6, 2, 3, 4)
    assert (y.live, y.limit) == (0, 1)
    assert (usage.holders, usage.totals) == ({"w1": 6}, {"granted": 8})


def test_drift_is_summed() -> None:
    assert Drift({}).total == 0
    assert Drift({"a:x": (1, 2)}, leases_without_owner=2).total == 3
