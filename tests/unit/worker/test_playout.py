"""The ledger of what was sent and heard, and the words that were heard with it."""

from hypothesis import given
from hypothesis import strategies as st

from callfleet.audio import PCM, PCMU, AudioFormat
from services.worker.dialogue import Command, PlaceMark, Play, StartTimer
from services.worker.playout import AHEAD_MS, MARK_EVERY_MS, PIECE_MS, Playout
from services.worker.transcript import words_heard


def sizes(orders: list[Command]) -> list[int]:
    """Bytes between marks."""
    found = [0]
    for order in orders:
        if isinstance(order, Play):
            found[-1] += len(order.audio)
        else:
            found.append(0)
    return found


@given(st.lists(st.binary(min_size=1, max_size=5000), max_size=20), st.sampled_from([PCMU, PCM]))
def test_every_byte_is_sent_once_in_order_and_marked_in_time(
    deltas: list[bytes], fmt: AudioFormat
) -> None:
    playout = Playout(fmt)
    orders = [order for delta in deltas for order in playout.play("i", delta, 0)]
    orders += playout.finish("i")
    now_ms = 0
    while playout.waits:
        now_ms += 500
        orders += playout.release(now_ms)
    orders = [order for order in orders if not isinstance(order, StartTimer)]
    assert b"".join(order.audio for order in orders if isinstance(order, Play)) == b"".join(deltas)
    assert max(sizes(orders)) <= fmt.bytes(MARK_EVERY_MS)
    assert not deltas or isinstance(orders[-1], PlaceMark)
    names = [order.name for order in orders if isinstance(order, PlaceMark)]
    assert len(set(names)) == len(names)


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=10), st.data())
def test_what_is_heard_never_exceeds_what_was_sent(parts: list[int], data: st.DataObject) -> None:
    playout = Playout(PCMU)
    orders = [order for size in parts for order in playout.play("i", bytes(size), 0)]
    assert not playout.waits
    names = [order.name for order in orders if isinstance(order, PlaceMark)]
    heard = data.draw(st.lists(st.sampled_from([*names, "0", "-1", "x", "99999", ""])))
    for mark in heard:
        playout.heard(mark, 0)
    marked = sum(sizes(orders)[:-1])
    unheard = playout.unheard_ms
    assert PCMU.ms(sum(parts) - marked) <= unheard <= PCMU.ms(sum(parts))
    [item] = playout.stop(0)
    assert item.heard <= item.sent == sum(parts)
    assert not playout.busy


def test_a_mark_that_lies_at_the_end_is_enough() -> None:
    playout = Playout(PCMU)
    playout.play("i", bytes(1600), 0)
    assert playout.finish("i") == []
    assert [item.name for item in playout.heard("1", 0)] == ["i"]


def test_an_item_heard_before_it_was_complete_ends_when_it_is() -> None:
    playout = Playout(PCMU)
    playout.play("i", bytes(1600), 0)
    assert playout.heard("1", 0) == []
    assert playout.finish("i") == []
    assert [item.name for item in playout.heard_before_complete()] == ["i"]


def test_items_follow_each_other() -> None:
    playout = Playout(PCMU)
    playout.play("one", bytes(800), 0)
    playout.finish("one")
    playout.play("two", bytes(800), 0)
    playout.finish("two")
    assert [item.name for item in playout.heard("2", 0)] == ["one", "two"]


@given(st.text("ab c\n", max_size=60), st.integers(0, 5000), st.integers(1, 5000))
def test_words_are_cut_whole_and_in_proportion(text: str, heard_ms: int, sent_ms: int) -> None:
    words = words_heard(text, heard_ms, sent_ms)
    assert text.startswith(words)
    if heard_ms >= sent_ms:
        assert words == text
    else:
        assert len(words) <= len(text) * heard_ms / sent_ms
        assert words.split() == text.split()[: len(words.split())]


def sent_ms(orders: list[Command]) -> int:
    return PCMU.ms(sum(len(order.audio) for order in orders if isinstance(order, Play)))


@given(st.lists(st.integers(20, 2_000), min_size=1, max_size=40), st.booleans())
def test_the_carrier_never_has_more_than_a_few_seconds_ahead(
    deltas_ms: list[int], marks: bool
) -> None:
    """A minute of speech may arrive at once; it leaves as it is heard, all of it, in order."""
    playout = Playout(PCMU)
    sound = [PCMU.bytes(ms) * bytes([number]) for number, ms in enumerate(deltas_ms)]
    orders = [order for delta in sound for order in playout.play("i", delta, 0)]
    orders += playout.finish("i")
    now_ms, echoed = 0, 0
    while playout.waits:
        assert sent_ms(orders) - now_ms <= AHEAD_MS + PIECE_MS
        now_ms += 200
        if marks:
            echoed = now_ms // MARK_EVERY_MS
            playout.heard(str(echoed), now_ms)
        orders += playout.release(now_ms)
    played = b"".join(order.audio for order in orders if isinstance(order, Play))
    assert played == b"".join(sound)


def test_stopping_throws_away_what_was_not_sent_yet() -> None:
    playout = Playout(PCMU)
    orders = playout.play("i", bytes(PCMU.bytes(20_000)), 0)
    orders += playout.finish("i")
    playout.heard("5", 1_000)
    [item] = playout.stop(1_100)
    assert playout.heard_ms(item) == 1_000
    assert playout.length_ms(item) == 20_000
    assert not playout.waits
    assert playout.release(60_000) == []
    assert sent_ms(orders) <= AHEAD_MS + PIECE_MS


def test_lost_marks_are_made_up_for_by_the_clock_and_never_beyond_what_was_sent() -> None:
    playout = Playout(PCMU)
    playout.play("i", bytes(PCMU.bytes(3_000)), 1_000)
    [item] = playout.stop(60_000)
    assert item.heard == item.sent == PCMU.bytes(3_000)
    playout.play("j", bytes(PCMU.bytes(3_000)), 60_000)
    [item] = playout.stop(61_000)
    assert item.heard == 0, "marks that are not late yet are believed"
