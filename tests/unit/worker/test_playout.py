"""The ledger of what was sent and heard, and the words that were heard with it."""

from hypothesis import given
from hypothesis import strategies as st

from callfleet.audio import PCM, PCMU, AudioFormat
from services.worker.dialogue import Command, PlaceMark, Play
from services.worker.playout import MARK_EVERY_MS, Playout
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
    assert b"".join(order.audio for order in orders if isinstance(order, Play)) == b"".join(deltas)
    assert max(sizes(orders)) <= fmt.bytes(MARK_EVERY_MS)
    assert not deltas or isinstance(orders[-1], PlaceMark)
    names = [order.name for order in orders if isinstance(order, PlaceMark)]
    assert len(set(names)) == len(names)


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=10), st.data())
def test_what_is_heard_never_exceeds_what_was_sent(parts: list[int], data: st.DataObject) -> None:
    playout = Playout(PCMU)
    orders = [order for size in parts for order in playout.play("i", bytes(size), 0)]
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
