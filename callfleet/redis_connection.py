"""Connections to Redis that a cancelled task leaves at once.

redis-py 5 writes each command under `asyncio.wait_for`, which makes a task per command and, on
Python 3.11, forgets a cancellation that arrives while the write is done: the task runs on, a loop
for ever, and whoever waits for its end waits for ever too (measured: a loop of reads, cancelled at
random, does not end about once in a hundred times). Here the same write has the same limit by
`asyncio.timeout`, which forgets nothing and needs no task.
"""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection as _Wire
else:
    _Wire = object


class _Prompt(_Wire):
    async def send_packed_command(
        self, command: bytes | str | Iterable[bytes], check_health: bool = True
    ) -> None:
        """As the library's own, but for how the limit is kept."""
        if not self.is_connected:
            await self.connect()  # type: ignore[no-untyped-call] # the library's
        elif check_health:
            await self.check_health()  # type: ignore[no-untyped-call] # the library's
        if isinstance(command, str):
            command = command.encode()
        parts = [command] if isinstance(command, bytes) else command
        try:
            async with asyncio.timeout(self.socket_timeout):
                await self._send_packed_command(parts)
        except TimeoutError:
            await self.disconnect(nowait=True)
            raise RedisTimeoutError("Timeout writing to socket") from None
        except OSError as error:
            await self.disconnect(nowait=True)
            raise RedisConnectionError(f"Error while writing to socket: {error}") from error
        except BaseException:
            # Half a command may have left; whoever used the connection next would be misread.
            await self.disconnect(nowait=True)
            raise


class PromptConnection(_Prompt, Connection):
    """redis://"""


class PromptSSLConnection(_Prompt, SSLConnection):
    """rediss://"""


class PromptUnixConnection(_Prompt, UnixDomainSocketConnection):
    """unix://"""


PROMPT: Final[dict[Any, Any]] = {
    Connection: PromptConnection,
    SSLConnection: PromptSSLConnection,
    UnixDomainSocketConnection: PromptUnixConnection,
}
"""The library's classes, as a pool chooses them from a URL, and ours in their place."""
