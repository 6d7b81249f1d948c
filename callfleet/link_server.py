"""The worker's end: lets gateways in and hands their calls to the worker.

The caller owns the HTTP server and routes `link.PATH` to `handle`; one connection per gateway, any
number of gateways.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from aiohttp import web

from callfleet import link
from callfleet.errors import LinkFault
from callfleet.link import Kind
from callfleet.link_auth import Doorkeeper, LinkSecret
from callfleet.link_connection import MAX_WIRE_MESSAGE, Connection, Taker
from callfleet.link_stream import LinkTotals, WhenFull

STOP_LIMIT_S: Final = 2.0

log = logging.getLogger(__name__)


class LinkServer:
    """Every link of one worker."""

    def __init__(
        self,
        secret: str,
        worker_id: str,
        taker: Taker,
        *,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        self.totals = LinkTotals()
        self._doorkeeper = Doorkeeper(LinkSecret(secret), worker_id)
        self._taker = taker
        self._clock_s = clock_s
        self._connections: dict[Connection, asyncio.Task[object]] = {}

    @property
    def connections(self) -> int:
        return len(self._connections)

    @property
    def streams(self) -> int:
        return sum(len(connection.streams) for connection in self._connections)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        try:
            hello = self._doorkeeper.admit(request.headers, self._clock_s())
        except LinkFault as fault:
            log.warning("link refused: %s", fault)
            return web.Response(status=401, text=str(fault))
        ws = web.WebSocketResponse(compress=False, max_msg_size=MAX_WIRE_MESSAGE, timeout=1.0)
        await ws.prepare(request)
        connection = Connection(
            ws, when_full=WhenFull.CLOSE_STREAM, totals=self.totals, taker=self._taker
        )
        connection.put(link.raw(Kind.HELLO, 0, hello))
        task = asyncio.current_task()
        assert task is not None
        self._connections[connection] = task
        try:
            log.info("link closed: %s", await connection.run())
        finally:
            del self._connections[connection]
        return ws

    async def stop(self) -> None:
        """Close every link; what its streams still had to say is sent first."""
        tasks = list(self._connections.values())
        for connection in self._connections:
            connection.close()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_LIMIT_S)
            for task in late:
                task.cancel()
