"""The gateway's end: one connection per worker, dialled when the first call needs it.

A connection is shared by every call to that worker, also while it is still being dialled; one that
was lost is dialled afresh by the next call, one that nobody used for a minute is closed.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from typing import Final

import aiohttp

from callfleet import link
from callfleet.calls import CallStart
from callfleet.errors import LinkFault, NoWorker
from callfleet.link import Kind, Open, Refused
from callfleet.link_auth import NONCE_BYTES, LinkSecret
from callfleet.link_connection import MAX_WIRE_MESSAGE, Connection
from callfleet.link_stream import LinkTotals, Stream, StreamReceiver, WhenFull

DIAL_LIMIT_S: Final = 0.5
ANSWER_LIMIT_S: Final = 0.5
IDLE_LIMIT_S: Final = 60.0
STOP_LIMIT_S: Final = 2.0

_ENDINGS: Final = {reason: ending for ending, reason in link.REFUSALS.items()}

log = logging.getLogger(__name__)


class _Dialled:
    """One worker's connection, from the first dial to the last stream."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.ready: asyncio.Future[Connection | LinkFault] = (
            asyncio.get_running_loop().create_future()
        )
        self.task: asyncio.Task[None] | None = None


class LinkDialler:
    """Every link of one gateway."""

    def __init__(
        self,
        secret: str,
        *,
        clock_s: Callable[[], float] = time.time,
        idle_limit_s: float = IDLE_LIMIT_S,
    ) -> None:
        self.totals = LinkTotals()
        self._secret = LinkSecret(secret)
        self._clock_s = clock_s
        self._idle_limit_s = idle_limit_s
        self._links: dict[str, _Dialled] = {}

    @property
    def connections(self) -> int:
        return len(self._links)

    async def open(
        self,
        worker_id: str,
        url: str,
        start: CallStart,
        receiver: StreamReceiver,
        *,
        answer_limit_s: float = ANSWER_LIMIT_S,
    ) -> Stream:
        """The call's stream, taken by the worker.

        Raises LinkFault (no connection, no answer, or the link was lost meanwhile), NoWorker (this
        one refuses), AtCapacity or CallEnded (every one would).
        """
        connection = await self._connection(worker_id, url)
        stream = connection.open(Open(start), receiver)
        assert stream.answer is not None
        try:
            async with asyncio.timeout(answer_limit_s):
                answer = await stream.answer
        except TimeoutError:
            raise LinkFault("the worker does not answer") from None
        finally:
            if not stream.is_taken:
                stream.close(link.GIVEN_AWAY)
        if answer is None:
            raise LinkFault("the link was lost before the worker answered")
        if isinstance(answer, Refused):
            raise _ENDINGS.get(answer.reason, NoWorker)(f"the worker refused: {answer.reason}")
        return stream

    async def stop(self) -> None:
        """Close every link; what its streams still had to say is sent first."""
        tasks = []
        for dialled in self._links.values():
            assert dialled.task is not None
            tasks.append(dialled.task)
            if dialled.ready.done() and isinstance(ready := dialled.ready.result(), Connection):
                ready.close()
            else:
                dialled.task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_LIMIT_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _connection(self, worker_id: str, url: str) -> Connection:
        dialled = self._links.get(worker_id)
        if dialled is None or dialled.url != url or not _usable(dialled):
            dialled = self._links[worker_id] = _Dialled(url)
            dialled.task = asyncio.create_task(self._live(worker_id, dialled))
        # Shielded: this call giving up must not take the connection from the others.
        ready = await asyncio.shield(dialled.ready)
        if isinstance(ready, LinkFault):
            raise ready
        return ready

    async def _live(self, worker_id: str, dialled: _Dialled) -> None:
        """Dial, then run the connection to its end."""
        why = "never up"
        try:
            async with aiohttp.ClientSession() as session:
                try:
                    async with asyncio.timeout(DIAL_LIMIT_S):
                        connection = await self._dial(session, worker_id, dialled.url)
                except aiohttp.WSServerHandshakeError as fault:
                    # Its text would repeat our proof: the status is enough.
                    raise LinkFault(f"the worker shut the door: {fault.status}") from None
                except (TimeoutError, OSError, aiohttp.ClientError) as fault:
                    why = type(fault).__name__
                    raise LinkFault(f"the worker cannot be reached: {why}") from fault
                dialled.ready.set_result(connection)
                why = await connection.run()
        except LinkFault as fault:
            why = str(fault)
        finally:
            if not dialled.ready.done():
                dialled.ready.set_result(LinkFault(why))
            if self._links.get(worker_id) is dialled:
                del self._links[worker_id]
            log.info("link to %s closed: %s", worker_id, why)

    async def _dial(self, session: aiohttp.ClientSession, worker_id: str, url: str) -> Connection:
        nonce = secrets.token_bytes(NONCE_BYTES)
        ws = await session.ws_connect(
            url,
            headers=self._secret.request(worker_id, self._clock_s(), nonce),
            compress=0,
            max_msg_size=MAX_WIRE_MESSAGE,
            timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
        )
        try:
            message = await ws.receive()
            if message.type is not aiohttp.WSMsgType.BINARY:
                raise LinkFault("the worker hung up before its hello")
            frames = link.split(message.data)
            kind, stream, payload = frames[0] if frames else (0, 0, b"")
            if kind != Kind.HELLO or stream != 0:
                raise LinkFault("the worker does not say hello")
            self._secret.check_answer(worker_id, nonce, payload)
        except BaseException:
            await ws.close()
            raise
        return Connection(
            ws,
            when_full=WhenFull.DROP_OLDEST,
            totals=self.totals,
            idle_limit_s=self._idle_limit_s,
        )


def _usable(dialled: _Dialled) -> bool:
    """Being dialled, or up."""
    if not dialled.ready.done():
        return True
    ready = dialled.ready.result()
    return isinstance(ready, Connection) and ready.is_open
