"""A Twilio caller's media socket as the relay sees it: what is written to it, and its patience.

Messages to the caller are put on the transport as whole WebSocket frames, in the same turn of the
loop in which the worker's frame arrived: the server side of RFC 6455 needs four bytes of header and
no mask. Nothing waits for a caller who does not read: beyond the bounds the leg is over.
"""

import asyncio
from collections.abc import Callable
from struct import Struct
from typing import Final

from callfleet.audio import PCMU
from callfleet.errors import CallerFault
from services.gateway.carriers.twilio import Dialect, Fact, MarkPassed, Offence, PassedOver

UNSENT_BOUND: Final = 1024 * 1024
"""Bytes that may wait for a caller's network: a minute and a half of speech."""

UNPLAYED_LIMIT_S: Final = 300.0
"""Speech that may be waiting to be heard; Twilio throws away what comes after ten minutes."""

PACE: Final = 3.0  # times real time that audio may arrive for long
BURST_S: Final = 2.0  # and how much may come at once beyond it
STALL_S: Final = 5.0  # what a network that stood still may bring late
IDLE_LIMIT_S: Final = 10.0  # Twilio sends a frame every 20 ms, silence too
_FRAME_S: Final = 0.02
_FRAME_BYTES: Final = PCMU.bytes(20)
_PLAY_BYTES: Final = 16_000  # in one message: two seconds

_TEXT: Final = 0x81  # a whole text message
_PONG: Final = 0x8A
_PASSED_OVER: Final = PassedOver()
_SHORT: Final = Struct("!BB").pack
_MEDIUM: Final = Struct("!BBH").pack


def text_frame(message: bytes) -> bytes:
    """A WebSocket text frame from a server, below 64 kB."""
    size = len(message)
    if size < 126:
        return _SHORT(_TEXT, size) + message
    return _MEDIUM(_TEXT, 126, size) + message


class TwilioLeg:
    """One stream's socket. `refuse` is told when a caller who does not read has to go."""

    def __init__(
        self, transport: asyncio.WriteTransport, refuse: Callable[[Offence], None]
    ) -> None:
        self.dialect = Dialect()
        self._now = asyncio.get_running_loop().time
        self.heard_at_s = self._now()
        self._transport = transport
        self._refuse = refuse
        self._level_s = -STALL_S  # how far the caller is ahead of the permitted pace
        self._marks = 0  # sent, and not yet passed
        self._played_until_s = 0.0

    # From the caller.

    def read(self, message: bytes) -> Fact:
        """Raises CallerFault with an Offence."""
        now = self._now()
        fact = self.dialect.read(message)
        cost_s = _FRAME_S
        if type(fact) is bytes and len(fact) > _FRAME_BYTES:
            cost_s = len(fact) / PCMU.rate
        elif type(fact) is MarkPassed:
            cost_s = self._count_mark()
        self._spend(cost_s, now)
        return fact

    def ping(self, data: bytes) -> PassedOver:
        """Answered at once, and paid for like a frame. Raises CallerFault."""
        self._spend(_FRAME_S, self._now())
        if not self._transport.is_closing():
            self._transport.write(_SHORT(_PONG, len(data)) + data)
        return _PASSED_OVER

    def pong(self) -> PassedOver:
        """To a ping that nobody sent. Raises CallerFault."""
        self._spend(_FRAME_S, self._now())
        return _PASSED_OVER

    def _spend(self, cost_s: float, now: float) -> None:
        level_s = self._level_s - PACE * (now - self.heard_at_s) + cost_s
        if level_s > BURST_S:
            raise CallerFault(Offence.FLOOD)
        self._level_s = max(level_s, -STALL_S)
        self.heard_at_s = now

    def _count_mark(self) -> float:
        """Marks cost nothing, since they come in a crowd after a `clear`; but none is made up."""
        self._marks -= 1
        if self._marks < 0:
            raise CallerFault(Offence.UNEXPECTED)
        return 0.0

    # To the caller.

    def play(self, audio: bytes) -> None:
        if len(audio) > _PLAY_BYTES:
            for start in range(0, len(audio), _PLAY_BYTES):
                self.play(audio[start : start + _PLAY_BYTES])
            return
        now = self._now()
        until = max(now, self._played_until_s) + len(audio) / PCMU.rate
        self._played_until_s = until
        if until - now > UNPLAYED_LIMIT_S:
            self._refuse(Offence.NOT_READING)
            return
        self._write(self.dialect.media(audio))

    def mark(self, name: str) -> None:
        self._marks += 1
        self._write(self.dialect.mark(name))

    def clear(self) -> None:
        self._played_until_s = 0.0
        self._write(self.dialect.clear)

    def _write(self, message: bytes) -> None:
        transport = self._transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() > UNSENT_BOUND:
            self._refuse(Offence.NOT_READING)
        else:
            transport.write(text_frame(message))
