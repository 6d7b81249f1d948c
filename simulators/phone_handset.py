"""The phone in the caller's hand: it lives from answer to goodbye, whether a stream is attached or
not.

The caller's time must not stand still while the carrier fetches a document or says a sentence, so
the handset is what the ticker ticks; a stream only plugs its ear and mouth in for as long as it
lasts.
"""

import asyncio

from simulators.phone_caller import Caller
from simulators.phone_leg import Leg
from simulators.phone_playout import FRAME_MS, SILENCE


class Handset:
    """20 ms in, 20 ms out, until the caller puts it down."""

    def __init__(self, caller: Caller, started_ms: int) -> None:
        self.put_down = asyncio.Event()
        self.leg: Leg | None = None
        self._caller = caller
        self._started_ms = started_ms
        self._due_ms = 0

    def catch_up(self, now_ms: int) -> None:
        """Live through all frames that are due by the ticker's clock."""
        now_ms -= self._started_ms
        while self._due_ms <= now_ms and not self.put_down.is_set():
            self._frame(self._due_ms)
            self._due_ms += FRAME_MS

    def _frame(self, now_ms: int) -> None:
        leg = self.leg if self.leg and self.leg.started_ms <= now_ms else None
        heard, echoes = leg.hear(now_ms) if leg else (SILENCE, [])
        mouth = self._caller.tick(heard, now_ms)
        if leg:
            leg.speak(mouth, echoes, now_ms)
        if self._caller.hung_up:
            self.put_down.set()
