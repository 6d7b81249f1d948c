"""What the carrier plays, and when a mark is due."""

from hypothesis import given
from hypothesis import strategies as st

from simulators.phone_playout import FRAME_BYTES, LIMIT_MS, SILENCE, Playout


def heard(playout: Playout, frames: int) -> tuple[bytes, list[tuple[int, str]]]:
    """Everything played in so many frames, and each mark with the frame it was due at."""
    audio, marks = b"", []
    for number in range(frames):
        frame, due = playout.play()
        audio += frame
        marks += [(number, name) for name in due]
    return audio, marks


def test_an_idle_line_is_silent() -> None:
    assert heard(Playout(), 2) == (SILENCE * 2, [])


def test_a_mark_is_due_when_the_audio_before_it_has_been_heard_and_not_before() -> None:
    playout = Playout()
    playout.mark("at once")
    playout.add(b"\x01" * FRAME_BYTES * 2)
    playout.mark("after two")
    playout.add(b"\x02" * FRAME_BYTES)
    playout.mark("after three")
    audio, marks = heard(playout, 4)
    assert audio == b"\x01" * FRAME_BYTES * 2 + b"\x02" * FRAME_BYTES + SILENCE
    assert marks == [(0, "at once"), (2, "after two"), (3, "after three")]


def test_a_mark_inside_a_frame_is_due_at_its_end() -> None:
    playout = Playout()
    playout.add(b"\x01" * 100)
    playout.mark("inside")
    playout.add(b"\x02" * 60)
    audio, marks = heard(playout, 2)
    assert audio == b"\x01" * 100 + b"\x02" * 60 + SILENCE
    assert marks == [(1, "inside")]


def test_clear_drops_the_rest_and_every_mark_is_due_at_once_in_order() -> None:
    playout = Playout()
    playout.add(b"\x01" * FRAME_BYTES)
    playout.mark("heard")
    playout.add(b"\x02" * FRAME_BYTES * 10)
    playout.mark("dropped")
    playout.mark("dropped too")
    playout.play()
    assert playout.clear() == (["heard", "dropped", "dropped too"], 200)
    assert heard(playout, 2) == (SILENCE * 2, [])
    assert playout.clear() == ([], 0)


def test_ten_minutes_fit_and_no_more() -> None:
    playout = Playout()
    assert playout.add(bytes(8 * LIMIT_MS))
    assert not playout.add(b"\x00")
    playout.play()
    assert playout.add(bytes(FRAME_BYTES))


@given(st.lists(st.binary(min_size=1, max_size=400), max_size=20))
def test_every_byte_is_played_once_and_in_order(chunks: list[bytes]) -> None:
    playout = Playout()
    for number, chunk in enumerate(chunks):
        playout.add(chunk)
        playout.mark(str(number))
    whole = b"".join(chunks)
    frames = -(-len(whole) // FRAME_BYTES) + 1
    audio, marks = heard(playout, frames)
    assert audio == whole.ljust(frames * FRAME_BYTES, b"\xff")
    assert [name for _, name in marks] == [str(number) for number in range(len(chunks))]
    ends = [sum(map(len, chunks[: number + 1])) for number in range(len(chunks))]
    assert [at for at, _ in marks] == [-(-end // FRAME_BYTES) for end in ends]
    assert playout.queued_ms == 0
