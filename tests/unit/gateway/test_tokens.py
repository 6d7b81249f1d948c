"""Leg tokens: sealed, short-lived, and small enough for a carrier's parameter."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callfleet.calls import CallId, CallStart, LegKind
from callfleet.errors import CallerFault
from services.gateway.tokens import TOKEN_TTL_S, Tokens, digest

TOKENS = Tokens("the fleet's secret")
NONCE = b"n" * 12
START = CallStart(
    call_id=CallId("c" + "0" * 26),
    org="main",
    agent="receptionist",
    leg=LegKind.TWILIO,
    caller="+15550100200",
    called="+15551230000",
    carrier_call_id="CA" + "f" * 32,
    audio="audio/pcmu",
    started_at_ms=1_790_000_000_000,
    traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01",
)
TOKEN = TOKENS.make(START, now_s=1000.0, nonce=NONCE)


def test_a_token_gives_back_its_call() -> None:
    assert TOKENS.open(TOKEN, now_s=1000.0 + TOKEN_TTL_S) == START
    assert Tokens("the fleet's secret").open(TOKEN, now_s=1000.0) == START


def test_a_token_expires_but_is_not_forgotten() -> None:
    with pytest.raises(CallerFault, match="expired"):
        TOKENS.open(TOKEN, now_s=1001.0 + TOKEN_TTL_S)
    assert TOKENS.recall(TOKEN) == START


def test_a_token_shows_nothing_and_fits() -> None:
    for private in ("15550100200", "receptionist", "CAff"):
        assert private not in TOKEN
    assert len(TOKEN) + len("token") < 500  # what Twilio takes as one parameter
    assert TOKEN.replace("-", "").replace("_", "").isalnum()  # a path needs no escapes


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="ascii"))
def test_a_changed_token_is_none_of_ours(at: int, letter: str) -> None:
    for changed in (TOKEN[:at] + letter + TOKEN[at + 1 :], TOKEN[:at] + letter + TOKEN[at:]):
        if changed != TOKEN:
            with pytest.raises(CallerFault):
                TOKENS.open(changed, now_s=1000.0)


@given(st.text(max_size=60) | st.just("x" * 2000))
def test_nonsense_is_none_of_ours(text: str) -> None:
    with pytest.raises(CallerFault, match="none of ours"):
        TOKENS.open(text, now_s=1000.0)


def test_another_secret_makes_other_tokens() -> None:
    with pytest.raises(CallerFault):
        Tokens("another fleet's secret").open(TOKEN, now_s=1000.0)


def test_a_token_of_a_newer_build_is_understood() -> None:
    values = (2000, *msgspec.structs.astuple(START), "a field of tomorrow")
    plain = msgspec.msgpack.encode(values)
    sealed = NONCE + TOKENS._seal.encrypt(NONCE, plain, b"leg token 1")
    newer = msgspec.json.encode(sealed).decode().strip('"').replace("+", "-").replace("/", "_")
    assert TOKENS.open(newer.rstrip("="), now_s=1000.0) == START


def test_digests_name_tokens() -> None:
    assert digest(TOKEN) == digest(TOKEN) != digest(TOKEN + "x")
    assert digest(TOKEN) not in TOKEN
