"""Connections to whatever server Sentinels name as the primary at that moment.

Each new connection asks where the primary is, and then asks the server found there whether it is
one, as Redis' own guidelines for clients have it: a Sentinel may be a moment behind. A connection
to a primary that was demoted under it answers READONLY and is replaced. The pool is the one of any
other URL; redis-py's own Sentinel pool refuses instead of waiting when it is empty.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import Connection, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError

from callfleet.redis_connection import PromptConnection, PromptSSLConnection
from callfleet.redis_url import Watched

ASK_LIMIT_S: Final = 0.5  # a Sentinel that does not answer is passed over

if TYPE_CHECKING:
    _Wire = Connection
else:
    _Wire = object


class Guide:
    """Asks the Sentinels; shared by all connections of a pool."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._sentinels = list(watched.sentinels)

    async def primary(self) -> tuple[str, int]:
        """Where the primary is. Raises redis-py's ConnectionError."""
        for node in list(self._sentinels):
            try:
                async with asyncio.timeout(ASK_LIMIT_S):
                    found = await self._ask(node)
            except (RedisError, OSError, TimeoutError):
                continue
            if found is not None:
                self._sentinels.remove(node)
                self._sentinels.insert(0, node)  # who answered is asked first next time
                return found
        raise RedisConnectionError(f"no Sentinel knows a primary named {self._watched.name!r}")

    async def _ask(self, node: tuple[str, int]) -> tuple[str, int] | None:
        kind: Any = PromptSSLConnection if self._watched.tls else PromptConnection
        one = kind(
            host=node[0], port=node[1], socket_timeout=ASK_LIMIT_S, **self._watched.sentinel_login
        )
        try:
            await one.connect()
            await one.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._watched.name)
            answer = await one.read_response()
        finally:
            await one.disconnect(nowait=True)
        return None if answer is None else (answer[0].decode(), int(answer[1]))


class _Led(_Wire):
    def __init__(self, *, guide: Guide, **options: Any) -> None:
        super().__init__(**options)
        self._guide = guide

    async def connect(self) -> None:
        if self.is_connected:
            return
        self.host, self.port = await self._guide.primary()
        await super().connect()  # type: ignore[no-untyped-call] # the library's
        await self.send_command("ROLE")
        role = await self.read_response()
        if role[0] not in (b"master", "master"):
            await self.disconnect()
            raise RedisConnectionError("the server is no primary any more")

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except ReadOnlyError:
            await self.disconnect()
            raise RedisConnectionError("the server is no primary any more") from None


class LedConnection(_Led, PromptConnection):
    """redis+sentinel://"""


class LedSSLConnection(_Led, PromptSSLConnection):
    """rediss+sentinel://"""


def led(watched: Watched) -> dict[str, Any]:
    """What a pool makes its connections of."""
    kind: type[Connection] | type[SSLConnection] = (
        LedSSLConnection if watched.tls else LedConnection
    )
    return {
        "connection_class": kind,
        "guide": Guide(watched),
        "db": watched.db,
        **watched.login,
    }
