"""A clock that jumps: an event loop on which an hour passes in a millisecond, the same every time.

    run(my_test())          # or: asyncio.Runner(loop_factory=VirtualLoop)

When nothing is ready, the clock moves to the next timer instead of waiting for it; when there is no
timer either, nothing can ever happen again, and that is a deadlock, reported at once. Code under it
must take its time from the loop, and must not use sockets or threads.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(RuntimeError):
    """Everybody waits and no timer runs."""


class _JumpingSelector(selectors.DefaultSelector):
    jumped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise Deadlock("everybody waits and no timer runs")
        self.jumped_s += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time begins at 0 and moves only by jumps."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.jumped_s


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` on the virtual clock; a task left behind is an error."""

    async def to_its_end() -> T:
        result = await main
        await asyncio.sleep(0)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not left, f"tasks were left running: {left}"
        return result

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(to_its_end())
