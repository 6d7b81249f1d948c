"""Frames of the link: what goes in comes out, and no bytes at all raise anything but LinkFault."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callfleet import link
from callfleet.calls import CallId, CallStart, EndReason, LegKind
from callfleet.errors import LinkFault
from callfleet.link import Accepted, Clear, Close, Dtmf, Frame, Kind, Mark, Open, Refused

START = CallStart(
    call_id=CallId("c0"),
    org="main",
    agent="receptionist",
    leg=LegKind.TWILIO,
    caller="+1",
    called="+2",
    carrier_call_id="CA1",
    audio="audio/pcmu",
    started_at_ms=5,
    traceparent="00-1-2-01",
)

names = st.text(max_size=60)
reasons = st.sampled_from(EndReason)
frames: st.SearchStrategy[Frame] = st.one_of(
    st.just(Open(START)),
    st.just(Accepted()),
    st.builds(Refused, reasons, again=st.booleans()),
    st.builds(Mark, names),
    st.just(Clear()),
    st.builds(Dtmf, st.sampled_from("0123456789*#ABCD")),
    st.builds(Close, reasons),
)
ids = st.integers(1, 2**32 - 1)


@given(st.lists(st.tuples(ids, frames | st.binary(max_size=400))))
def test_what_goes_in_comes_out_in_order(sent: list[tuple[int, Frame | bytes]]) -> None:
    encoded = [
        link.audio(stream, frame) if isinstance(frame, bytes) else link.encode(stream, frame)
        for stream, frame in sent
    ]
    (message,) = link.messages(encoded)
    got = [
        (stream, payload if kind == Kind.AUDIO else link.decode(kind, payload))
        for kind, stream, payload in link.split(message)
    ]
    assert got == sent


def read_all(message: bytes) -> None:
    for kind, _, payload in link.split(message):
        link.decode(kind, payload)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_link_fault(noise: bytes) -> None:
    for message in (noise, bytes([link.VERSION]) + noise):
        with contextlib.suppress(LinkFault):
            read_all(message)


@given(st.integers(0, 255), st.binary(max_size=100))
def test_no_payload_raises_anything_but_a_link_fault(kind: int, payload: bytes) -> None:
    try:
        frame = link.decode(kind, payload)
    except LinkFault:
        return
    if frame is None:
        assert kind not in set(Kind)
    else:
        assert link.decode(kind, link.encode(1, frame)[8:]) == frame


@given(st.lists(st.tuples(ids, frames), min_size=1, max_size=5), st.data())
def test_a_damaged_message_is_read_or_refused(
    sent: list[tuple[int, Frame]], data: st.DataObject
) -> None:
    """One byte changed, or the end cut off: never another exception."""
    (message,) = link.messages([link.encode(stream, frame) for stream, frame in sent])
    at = data.draw(st.integers(0, len(message) - 1))
    changed = bytearray(message)
    changed[at] ^= data.draw(st.integers(1, 255))
    for broken in (bytes(changed), message[:at]):
        with contextlib.suppress(LinkFault):
            read_all(broken)


def test_a_deep_open_is_refused() -> None:
    nested = b'{"call_id":' + b"[" * 60_000
    with pytest.raises(LinkFault):
        link.decode(Kind.OPEN, nested)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x02",
        bytes([link.VERSION]) + b"\x01\x00\x00",
        bytes([link.VERSION]) + b"\x01\x00\x00\x00\x05\x00\x00\x07abcd",
    ],
)
def test_a_message_that_contradicts_itself_is_refused(message: bytes) -> None:
    with pytest.raises(LinkFault):
        link.split(message)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (Kind.DTMF, b""),
        (Kind.DTMF, b"55"),
        (Kind.MARK, b"\xff"),
        (Kind.MARK, b"x" * 257),
        (Kind.CLEAR, b"x"),
        (Kind.ACCEPTED, b"x"),
        (Kind.REFUSED, b""),
        (Kind.OPEN, b"{}"),
        (Kind.PING, b""),
    ],
)
def test_a_payload_without_sense_is_refused(kind: Kind, payload: bytes) -> None:
    with pytest.raises(LinkFault, match=kind.name):
        link.decode(kind, payload)


def test_what_only_a_newer_peer_knows() -> None:
    assert link.decode(200, b"anything") is None
    assert link.decode(Kind.CLOSE, b"abducted") == Close(EndReason.INTERNAL_ERROR)
    assert link.decode(Kind.REFUSED, b"\x01abducted") == Refused(
        EndReason.INTERNAL_ERROR, again=True
    )


def test_numbers_of_kinds_never_change() -> None:
    """Two builds speak to each other during an upgrade."""
    assert {kind.name: kind.value for kind in Kind} == {
        "HELLO": 1,
        "PING": 2,
        "PONG": 3,
        "OPEN": 4,
        "ACCEPTED": 5,
        "REFUSED": 6,
        "AUDIO": 7,
        "MARK": 8,
        "CLEAR": 9,
        "DTMF": 10,
        "CLOSE": 11,
    }
    assert link.audio(1, b"ab") == b"\x01\x00\x00\x00\x02\x00\x00\x07ab"


@given(st.lists(st.integers(0, link.MAX_PAYLOAD), max_size=60))
def test_a_long_batch_is_cut_at_frame_borders(sizes: list[int]) -> None:
    batch = [link.audio(n + 1, b"x" * size) for n, size in enumerate(sizes)]
    cut = link.messages(batch)
    assert all(len(message) <= link.MAX_MESSAGE for message in cut)
    got = [frame for message in cut for frame in link.split(message)]
    assert [(stream, len(payload)) for _, stream, payload in got] == [
        (n + 1, size) for n, size in enumerate(sizes)
    ]


def test_audio_is_told_from_other_frames_when_a_queue_is_thinned_out() -> None:
    assert link.audio_size(link.audio(7, b"abc"), 7) == 3
    assert link.audio_size(link.audio(7, b"abc"), 8) is None
    assert link.audio_size(link.encode(7, Mark("abc")), 7) is None
    assert link.audio_size(b"", 7) is None
