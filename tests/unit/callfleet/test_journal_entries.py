"""Entries come back as they were written, and old and new code read each other's."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callfleet.calls import EndReason
from callfleet.journal_entries import (
    CallEnd,
    Entry,
    Note,
    Turn,
    Usage,
    decode_end,
    decode_entry,
    encode_end,
    encode_entry,
)

moments = st.integers(0, 10**8)
values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20)
turns = st.builds(
    Turn,
    role=st.sampled_from(["caller", "agent"]),
    text=st.text(max_size=100),
    started_ms=moments,
    ended_ms=moments,
    interrupted=st.booleans(),
    heard_ms=st.none() | moments,
    item_id=st.text(max_size=20),
)
notes = st.builds(
    Note,
    kind=st.text(max_size=20),
    at_ms=moments,
    data=st.dictionaries(st.text(max_size=10), values, max_size=4),
)


@given(turns | notes)
def test_an_entry_comes_back_as_it_was(entry: Entry) -> None:
    assert decode_entry(encode_entry(entry)) == entry


def test_an_end_comes_back_as_it_was() -> None:
    end = CallEnd(EndReason.AGENT_HUNG_UP, 1_790_000_000_000, Usage("m", 3, 1, 2, 3, 4, 5), "bye")
    assert decode_end(encode_end(end)) == end


def test_what_tomorrows_worker_adds_does_not_stop_todays_reader() -> None:
    text = b'{"type":"turn","role":"agent","text":"hi","started_ms":1,"ended_ms":2,"mood":"up"}'
    assert decode_entry(text) == Turn("agent", "hi", 1, 2)
    assert decode_end(b'{"reason":"no_slot","ended_at_ms":5,"mood":1}').reason is EndReason.NO_SLOT


@given(st.binary(max_size=100))
def test_rubbish_raises_only_the_decoders_own_error(rubbish: bytes) -> None:
    for decode in (decode_entry, decode_end):
        with pytest.raises(msgspec.DecodeError):
            decode(rubbish)


def test_a_role_nobody_has_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_entry(b'{"type":"turn","role":"system","text":"hi","started_ms":1,"ended_ms":2}')
