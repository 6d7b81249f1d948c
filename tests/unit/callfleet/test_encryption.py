"""Sealed means sealed: tampering, swapping and cutting are seen, and keys rotate."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callfleet.calls import CallId
from callfleet.encryption import OVERHEAD_BYTES, CallKey, KeyRing, new_key
from callfleet.errors import ConfigFault, KeyMissing, SealBroken

CALL = CallId("c0000000000000000000000000a")
OTHER = CallId("c0000000000000000000000000b")


def ring(*keys: str) -> KeyRing:
    return KeyRing.parse(",".join(keys))


@given(st.binary(max_size=300), st.text(max_size=10), st.integers(0, 1 << 40))
def test_what_is_sealed_opens_in_its_place(plain: bytes, purpose: str, sequence: int) -> None:
    key, wrapped = ring(new_key()).new_call_key(CALL)
    sealed = key.seal(plain, purpose=purpose, sequence=sequence)
    assert key.open(sealed, purpose=purpose, sequence=sequence) == plain
    assert len(sealed) == len(plain) + OVERHEAD_BYTES
    assert wrapped != sealed


@given(st.data())
def test_every_flipped_bit_is_seen(data: st.DataObject) -> None:
    keys = ring(new_key())
    key, wrapped = keys.new_call_key(CALL)
    sealed = bytearray(key.seal(b"I would like an appointment", purpose="entry", sequence=1))
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealBroken):
        key.open(bytes(sealed), purpose="entry", sequence=1)
    damaged = bytearray(wrapped)
    bit = data.draw(st.integers(0, 8 * len(damaged) - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealBroken):
        keys.unwrap(CALL, bytes(damaged))


@given(st.data())
def test_every_cut_is_seen(data: st.DataObject) -> None:
    key, _ = ring(new_key()).new_call_key(CALL)
    sealed = key.seal(b"yes", purpose="entry", sequence=1)
    kept = data.draw(st.integers(0, len(sealed) - 1))
    with pytest.raises(SealBroken):
        key.open(sealed[:kept], purpose="entry", sequence=1)
    with pytest.raises(SealBroken):
        key.open(sealed + b"\0", purpose="entry", sequence=1)


@given(st.binary(max_size=200))
def test_rubbish_is_refused_by_our_own_error(rubbish: bytes) -> None:
    keys = ring(new_key())
    key, _ = keys.new_call_key(CALL)
    with pytest.raises(SealBroken):
        key.open(rubbish, purpose="entry", sequence=1)
    with pytest.raises(SealBroken):
        keys.unwrap(CALL, rubbish)


def test_a_text_opens_only_in_its_own_place_purpose_and_call() -> None:
    keys = ring(new_key())
    key, wrapped = keys.new_call_key(CALL)
    sealed = key.seal(b"no", purpose="entry", sequence=1)
    for purpose, sequence in (("entry", 2), ("end", 1), ("entry1", 1)):
        with pytest.raises(SealBroken):
            key.open(sealed, purpose=purpose, sequence=sequence)
    with pytest.raises(SealBroken):
        keys.unwrap(OTHER, wrapped)  # a key lifted into another call
    elsewhere, _ = keys.new_call_key(OTHER)
    with pytest.raises(SealBroken, match="another call"):
        elsewhere.open(sealed, purpose="entry", sequence=1)


def test_places_cannot_be_confused_by_how_they_are_written() -> None:
    key, _ = ring(new_key()).new_call_key(CALL)
    sealed = key.seal(b"x", purpose="a|1", sequence=1)
    for purpose, sequence in (("a", 11), ("1|a", 1), ("a|1|", 1)):
        with pytest.raises(SealBroken):
            key.open(sealed, purpose=purpose, sequence=sequence)


def test_purpose_and_call_cannot_run_into_each_other() -> None:
    secret = bytes(32)
    sealed = CallKey(CallId("b|c"), secret).seal(b"x", purpose="a", sequence=1)
    with pytest.raises(SealBroken):
        CallKey(CallId("c"), secret).open(sealed, purpose="a|b", sequence=1)


def test_sealing_twice_never_looks_the_same() -> None:
    key, _ = ring(new_key()).new_call_key(CALL)
    made = {key.seal(b"same", purpose="entry", sequence=1) for _ in range(100)}
    assert len(made) == 100


def test_an_old_key_still_unwraps_and_a_new_one_wraps() -> None:
    old, new = new_key(), new_key()
    key, wrapped = ring(old).new_call_key(CALL)
    sealed = key.seal(b"said last year", purpose="entry", sequence=1)
    both = ring(new, old)
    assert not both.is_current(wrapped)
    again = both.rewrap(CALL, wrapped)
    assert both.is_current(again)
    opened = ring(new).unwrap(CALL, again)  # the old key may go now
    assert opened.open(sealed, purpose="entry", sequence=1) == b"said last year"
    with pytest.raises(KeyMissing):
        ring(new).unwrap(CALL, wrapped)


def test_keys_may_be_base64_with_or_without_padding_url_safe_or_hex() -> None:
    secret = bytes(range(200, 232))
    texts = {
        base64.b64encode(secret).decode(),
        base64.b64encode(secret).decode().rstrip("="),
        base64.urlsafe_b64encode(secret).decode(),
        secret.hex(),
        secret.hex().upper(),
        f"  {secret.hex()}\n",
    }
    _, wrapped = KeyRing([secret]).new_call_key(CALL)
    for text in texts:
        KeyRing.parse(text).unwrap(CALL, wrapped)


def test_mistakes_name_the_position_and_never_the_key() -> None:
    good, short = new_key(), base64.b64encode(b"hunter2hunter2").decode()
    with pytest.raises(ConfigFault) as caught:
        KeyRing.parse(f"{good}, {short}, not*base64, {good},")
    told = caught.value.mistakes
    assert [mistake.split(":")[1][:11] for mistake in told] == [
        " key 2 of 5",
        " key 3 of 5",
        " key 4 of 5",
        " key 5 of 5",
    ]
    assert "14 bytes" in told[0] and "twice" in told[2] and "empty" in told[3]
    assert all(secret not in str(caught.value) for secret in (good, short, "not*base64"))


def test_nothing_set_is_a_mistake_not_a_ring() -> None:
    with pytest.raises(ConfigFault, match="key 1 of 1 is empty"):
        KeyRing.parse("  ")


def test_a_ring_does_not_show_its_keys() -> None:
    secret = new_key()
    assert repr(KeyRing.parse(secret)) == "KeyRing(1 keys)"
