"""What a waiting caller hears from moment to moment, and never much ahead of the moment.

A carrier buffers minutes of whatever it is sent; a caller who is granted a slot would then go on
hearing music while the agent speaks. So the sound is sent against the clock, at most `AHEAD_S`
before it is heard, and what is left of that is cleared when the agent comes.
"""

import asyncio
from collections.abc import Callable
from typing import Final, NoReturn, Protocol

from callfleet.audio import PCMU
from services.gateway.hold_audio import FRAME_BYTES, announcement
from services.gateway.mulaw import STEPS, faded_in, faded_out

CHUNK_BYTES: Final = STEPS * FRAME_BYTES  # a fade takes one
CHUNK_S: Final = CHUNK_BYTES / PCMU.rate
AHEAD_S: Final = 2 * CHUNK_S
FIRST_AFTER_S: Final = 2.0  # of music, before the first announcement
_ROUNDING_S: Final = 0.001  # or a sleep too short to move the clock would follow
_PAUSE: Final = PCMU.silence(200)


class Ear(Protocol):
    """Where it is played: a leg."""

    def play(self, audio: bytes) -> None: ...


class Tape:
    """One caller's hold sound: the loop, interrupted by the place in line."""

    def __init__(self, loop: bytes, *, announce_every_s: float | None = None) -> None:
        self.announced = 0
        self._loop = loop
        self._at = 0
        self._every_s = announce_every_s
        self._music_left_s = FIRST_AFTER_S  # until the next announcement
        self._saying = b""
        self._returns = True  # the music comes up softly

    def next(self, position: int | None) -> bytes:
        """The next CHUNK_BYTES; `position` is the place in line now, if it is known."""
        if self._saying:
            chunk, self._saying = self._saying[:CHUNK_BYTES], self._saying[CHUNK_BYTES:]
            return chunk
        music = self._music()
        if self._returns:
            self._returns = False
            return faded_in(music, FRAME_BYTES)
        self._music_left_s -= CHUNK_S
        if self._every_s is None or position is None or self._music_left_s > 0:
            return music
        self._music_left_s = self._every_s
        self._returns = True
        self.announced += 1
        said = _PAUSE + announcement(position) + _PAUSE
        self._saying = said.ljust(-(-len(said) // CHUNK_BYTES) * CHUNK_BYTES, PCMU.quiet)
        return faded_out(music, FRAME_BYTES)

    def _music(self) -> bytes:
        chunk = b""
        while len(chunk) < CHUNK_BYTES:
            piece = self._loop[self._at : self._at + CHUNK_BYTES - len(chunk)]
            self._at = (self._at + len(piece)) % len(self._loop)
            chunk += piece
        return chunk


async def play(tape: Tape, ear: Ear, position: Callable[[], int | None]) -> NoReturn:
    """Until cancelled. What was late is not made up for: the caller's time has passed too."""
    now_s = asyncio.get_running_loop().time
    heard_until_s = now_s()
    while True:
        heard_until_s = max(heard_until_s, now_s())
        while heard_until_s - now_s() < AHEAD_S - CHUNK_S + _ROUNDING_S:
            ear.play(tape.next(position()))
            heard_until_s += CHUNK_S
        await asyncio.sleep(heard_until_s - now_s() - (AHEAD_S - CHUNK_S))
