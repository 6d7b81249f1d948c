"""Killing a process at a chosen step, without a process: what runs stops there and runs no more."""

from collections.abc import Awaitable, Callable
from typing import Any

import sqlalchemy as sa

from services.analytics.database import Database


class Killed(BaseException):
    """SIGKILL: no code of ours runs after it."""


class Fate:
    """Kills at the n-th step it sees."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.steps = 0

    def step(self, *_about: Any) -> None:
        self.steps += 1
        if self.steps == self.at:
            raise Killed


class Mortal:
    """A thing each of whose calls can be the last, before or after it did its work."""

    def __init__(self, thing: Any, fate: Fate) -> None:
        self._thing = thing
        self._fate = fate

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            self._fate.step()
            done = await getattr(self._thing, name)(*args, **kwargs)
            self._fate.step()
            return done

        return call


def doom(database: Database, fate: Fate) -> None:
    """Every statement, and the commit, can be the last thing the process does."""
    engine = database._engine.sync_engine
    sa.event.listen(engine, "before_cursor_execute", fate.step)
    sa.event.listen(engine, "commit", fate.step)
