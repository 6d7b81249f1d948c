"""Lua beside its module, run in Redis by its digest; what Redis fails at becomes one fault.

Slots, roster and journal each change several keys in one step, and a step that checks and writes
must be a script. The text lives in `.lua` files, joined from reusable pieces because Redis scripts
cannot import; the server's own clock (`TIME`) is the only clock in them.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from callfleet.errors import StoreFault

LIMIT_S: Final = 5.0  # the pool's own limits are shorter; this holds when a pool has none


def lua(*names: str) -> str:
    """The text of `<name>.lua` files of this package, one after another."""
    return "\n".join(files("callfleet").joinpath(f"{name}.lua").read_text() for name in names)


@contextmanager
def store_faults(doing: str) -> Iterator[None]:
    """Redis' own errors, sockets' and the clock's as `StoreFault`, with what was being done."""
    try:
        yield
    except (RedisError, OSError, TimeoutError) as trouble:
        # The class says enough; messages of Redis may quote arguments, and those hold secrets.
        raise StoreFault(f"{doing}: {type(trouble).__name__}") from trouble


class Script:
    """One script on one Redis: loaded when the server does not know it yet, limited in time."""

    def __init__(self, redis: "Redis", text: str, *, doing: str) -> None:
        self._run = redis.register_script(text)
        self._doing = doing

    async def __call__(self, keys: Sequence[str], args: Sequence[str | bytes | float] = ()) -> Any:
        task = asyncio.current_task()
        assert task is not None
        cancellations = task.cancelling()
        try:
            with store_faults(self._doing):
                async with asyncio.timeout(LIMIT_S):
                    return await self._run(keys=keys, args=args)
        finally:
            # redis-py may swallow a cancellation: closing a broken connection, it raises an error
            # in its place, or tries again as if nothing had been asked of it.
            if task.cancelling() > cancellations:
                raise asyncio.CancelledError
