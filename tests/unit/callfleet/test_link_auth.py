"""Who gets through a link's door, and how often."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callfleet.errors import LinkFault
from callfleet.link_auth import WINDOW_S, Doorkeeper, LinkSecret

SECRET = LinkSecret("the fleet's secret")
NONCE = b"n" * 16


def a_door(worker_id: str = "w1") -> Doorkeeper:
    return Doorkeeper(SECRET, worker_id)


def test_both_ends_prove_themselves() -> None:
    hello = a_door().admit(SECRET.request("w1", 1000.0, NONCE), 1001.0)
    SECRET.check_answer("w1", NONCE, hello)
    for worker, nonce, secret in [
        ("w2", NONCE, SECRET),
        ("w1", b"m" * 16, SECRET),
        ("w1", NONCE, LinkSecret("another secret")),
    ]:
        with pytest.raises(LinkFault):
            secret.check_answer(worker, nonce, hello)


def test_a_request_is_good_once() -> None:
    door, headers = a_door(), SECRET.request("w1", 1000.0, NONCE)
    door.admit(headers, 1000.0)
    for later in (1000.0, 1000.0 + WINDOW_S):
        with pytest.raises(LinkFault, match="before"):
            door.admit(headers, later)


@pytest.mark.parametrize("skew", [-WINDOW_S - 2, WINDOW_S + 2])
def test_a_request_is_good_for_a_while(skew: float) -> None:
    with pytest.raises(LinkFault, match="clocks"):
        a_door().admit(SECRET.request("w1", 1000.0, NONCE), 1000.0 + skew)


def test_a_request_is_good_for_one_worker() -> None:
    with pytest.raises(LinkFault, match="another worker"):
        a_door("w2").admit(SECRET.request("w1", 1000.0, NONCE), 1000.0)


def test_another_version_is_refused_before_anything_else() -> None:
    headers = SECRET.request("w1", 1000.0, NONCE) | {"X-Callfleet-Link-Version": "2"}
    with pytest.raises(LinkFault, match="version 1 is spoken"):
        a_door().admit(headers, 1000.0)


@given(st.sampled_from(["Time", "Nonce", "Proof", "Version"]), st.text(max_size=20))
def test_no_forged_header_gets_in_or_does_harm(name: str, value: str) -> None:
    headers = SECRET.request("w1", 1000.0, NONCE)
    if headers[f"X-Callfleet-Link-{name}"] == value:
        return
    with pytest.raises(LinkFault):
        a_door().admit(headers | {f"X-Callfleet-Link-{name}": value}, 1000.0)


def test_used_nonces_are_forgotten_in_time_and_bounded() -> None:
    door = a_door()
    for number in range(10_000):
        door.admit(SECRET.request("w1", 1000.0, number.to_bytes(16)), 1000.0)
    with pytest.raises(LinkFault):
        door.admit(SECRET.request("w1", 1000.0, NONCE), 1000.0)
    later = 1000.0 + 2 * WINDOW_S
    door.admit(SECRET.request("w1", later, NONCE), later)
    assert len(door._seen) == 1
