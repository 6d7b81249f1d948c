"""The phone company's clock, and the one heartbeat all its calls share.

A call is 50 frames a second each way; a task or a timer for each would be most of the cost. So one
loop wakes every 2 ms and ticks the calls whose turn it is: a tenth of them each time, as calls
really lie scattered over the 20 ms. The clock can run faster than real time, for tests whose
application keeps no time of its own.
"""

import asyncio
import time
from typing import Protocol

FRAME_MS = 20
_PHASES = 10


class Clock:
    """Milliseconds that pass `speed` times as fast as real ones."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed

    def now_ms(self) -> int:
        return int(time.monotonic() * 1000 * self.speed)

    async def sleep(self, ms: float) -> None:
        await asyncio.sleep(max(0.0, ms) / 1000 / self.speed)


class Ticking(Protocol):
    """Lives in frames: does all frames that are due."""

    def catch_up(self, now_ms: int) -> None: ...


class Ticker:
    """Ticks everyone on the line, each in a fixed phase of the 20 ms."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._phases: list[list[Ticking]] = [[] for _ in range(_PHASES)]
        self._occupied = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def join(self, member: Ticking) -> None:
        min(self._phases, key=len).append(member)
        self._occupied.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="phone ticker")

    def leave(self, member: Ticking) -> None:
        for phase in self._phases:
            if member in phase:
                phase.remove(member)
        if not any(self._phases):
            self._occupied.clear()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        step_ms = FRAME_MS / _PHASES
        due_ms = float(self._clock.now_ms())
        number = 0
        while True:
            if not self._occupied.is_set():  # an idle company costs nothing
                await self._occupied.wait()
                due_ms = float(self._clock.now_ms())
            phase = self._phases[number % _PHASES]
            now_ms = self._clock.now_ms()
            for member in tuple(phase):
                member.catch_up(now_ms)
            number += 1
            due_ms += step_ms
            late_ms = self._clock.now_ms() - due_ms
            if late_ms > FRAME_MS:  # members make up their frames; the heartbeat need not
                due_ms += late_ms
            await self._clock.sleep(-late_ms if late_ms < 0 else 0)
