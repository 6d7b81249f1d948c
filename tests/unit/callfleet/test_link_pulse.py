"""When a silent peer counts as gone."""

from hypothesis import given
from hypothesis import strategies as st

from callfleet.link_pulse import BEAT_S, SILENCE_LIMIT_S, Pulse


@given(st.floats(0.0, BEAT_S))
def test_a_dead_peer_is_noticed_within_two_seconds(last_word_s: float) -> None:
    pulse, now = Pulse(0.0), 0.0
    pulse.heard = False
    while now < last_word_s:  # its last word comes somewhere between two of our beats
        now += BEAT_S
        pulse.heard = True
        assert pulse.beat(now)
    noticed = next(t for n in range(1, 100) if not pulse.beat(t := now + n * BEAT_S))
    assert noticed - last_word_s + BEAT_S > SILENCE_LIMIT_S
    assert noticed - last_word_s < 2.0


@given(st.lists(st.floats(0.0, 4 * BEAT_S - 0.01), max_size=50))
def test_a_peer_that_beats_late_now_and_then_is_alive(delays_s: list[float]) -> None:
    """Its word comes less than four beats late, ours are punctual."""
    pulse, words, now = Pulse(0.0), 0.0, 0.0
    for delay_s in delays_s:
        words += BEAT_S + delay_s
        while now < words:
            now += BEAT_S
            pulse.heard = pulse.heard or now >= words
            assert pulse.beat(now)


def test_our_own_sleep_is_not_the_peers_silence() -> None:
    pulse = Pulse(0.0)
    pulse.beat(BEAT_S)
    assert pulse.beat(3600.0)  # the machine slept
    pulse.heard = True
    assert pulse.beat(3600.0 + BEAT_S)
    assert pulse.beat(7200.0)
    assert pulse.beat(10800.0)
    assert not pulse.beat(14400.0)  # awake three times, and still not a word
