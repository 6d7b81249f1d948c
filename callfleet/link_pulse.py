"""Is the other end of a link alive? Pure: the connection brings the time.

Each end sends a PING every BEAT_S, so a peer that says nothing for SILENCE_LIMIT_S is dead, frozen
or cut off; with the beat at which that is found out it takes 1.8 s. But if it was this process
that slept (or the whole machine), the peer's words are only waiting to be read: a gap between two
beats counts as two beats at most.
"""

from typing import Final

BEAT_S: Final = 0.3
SILENCE_LIMIT_S: Final = 1.4  # five beats, however the clock rounds


class Pulse:
    """The peer's silence, as far as we were awake to hear it."""

    __slots__ = ("_last_s", "_silent_s", "heard")

    def __init__(self, now_s: float) -> None:
        self.heard = True  # set by whoever reads, at every message
        self._silent_s = 0.0
        self._last_s = now_s

    def beat(self, now_s: float) -> bool:
        """To be asked every BEAT_S; False: the peer is gone."""
        if self.heard:
            self.heard, self._silent_s = False, 0.0
        else:
            self._silent_s += min(now_s - self._last_s, 2 * BEAT_S)
        self._last_s = now_s
        return self._silent_s < SILENCE_LIMIT_S
