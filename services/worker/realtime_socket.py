"""The WebSocket under a session: picows, whose frames arrive as plain calls.

A session lives by fifty messages a second each way. picows hands each over in the turn of the event
loop in which its bytes came, without a queue, a task or a wake-up in between, and writes as cheaply
(docs/decisions/0008). Messages in several frames are put together here; pings are answered by the
library, which also asks an API that has fallen silent for a sign of life.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from picows import (
    WSCloseCode,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
)
from picows import WSError as SocketError

from services.worker.dialogue import Failure
from services.worker.endpoint import Endpoint
from services.worker.realtime_errors import failure_of_close, failure_of_status, said_of_org
from services.worker.realtime_failure import SessionOver

CONNECT_LIMIT_S: Final = 10.0
CLOSE_LIMIT_S: Final = 1.0
PING_EVERY_S: Final = 15.0
PONG_LIMIT_S: Final = 7.5
MESSAGE_MAX_BYTES: Final = 20 * 1024 * 1024
READ_BUFFER_BYTES: Final = 4096  # grows when an event is larger; most sessions are silent mostly


@dataclass(frozen=True, slots=True)
class Ears:
    """Who is told what the socket brings. Called from the reader: be quick, and do not raise."""

    message: Callable[[bytes], None]
    over: Callable[[SessionOver], None]


class RealtimeSocket(WSListener):
    """One connection to the API. Its first words may come before `connect` has returned."""

    def __init__(self, ears: Ears) -> None:
        self._ears = ears
        self._transport: WSTransport | None = None
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._goodbye: SessionOver | None = None  # what the API said last

    # What picows tells ---------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is WSMsgType.TEXT and frame.fin:
            self._ears.message(frame.get_payload_as_bytes())
        elif kind is WSMsgType.CLOSE:
            code, reason = _code(frame), frame.get_close_reason() or ""
            self._goodbye = SessionOver(
                failure_of_close(code, reason), f"{code} {reason}", said_of_org(reason, close=code)
            )
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif kind is WSMsgType.TEXT or (kind is WSMsgType.CONTINUATION and self._parts):
            self._gather(transport, frame)

    def _gather(self, transport: WSTransport, frame: WSFrame) -> None:
        """The bound on a frame holds for a message of many, too."""
        self._parts.append(frame.get_payload_as_bytes())
        self._parts_bytes += frame.payload_size
        if self._parts_bytes > MESSAGE_MAX_BYTES:
            transport.disconnect()
        elif frame.fin:
            whole = b"".join(self._parts)
            self._parts, self._parts_bytes = [], 0
            self._ears.message(whole)

    def on_ws_disconnected(self, _: WSTransport) -> None:
        self._ears.over(self._goodbye or SessionOver(Failure.LOST, "the connection broke"))

    # What the session asks -----------------------------------------------------------------------

    async def connect(self, endpoint: Endpoint, model: str) -> None:
        """Raises SessionOver, which says whether the API refused or was not there."""
        address = str(endpoint.address(model))
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                await ws_connect(
                    lambda: self,
                    address,
                    extra_headers=endpoint.headers(),
                    ssl_context=_tls() if address.startswith("wss:") else None,
                    websocket_handshake_timeout=CONNECT_LIMIT_S,
                    max_redirects=0,  # the key goes to nobody else
                    enable_auto_ping=True,
                    auto_ping_idle_timeout=PING_EVERY_S,
                    auto_ping_reply_timeout=PONG_LIMIT_S,
                    max_frame_size=MESSAGE_MAX_BYTES,
                    read_buffer_init_size=READ_BUFFER_BYTES,
                )
        except WSHandshakeError as refused:
            status = int(refused.response.status) if refused.response is not None else 0
            why = f"the handshake was answered with {status}"
            said = said_of_org("", status=status)
            raise SessionOver(failure_of_status(status), why, said) from refused
        except (SocketError, OSError, TimeoutError) as trouble:
            why = f"no connection ({type(trouble).__name__})"
            raise SessionOver(Failure.LOST, why) from trouble

    @property
    def unsent_bytes(self) -> int:
        """What waits in the socket's buffer."""
        assert self._transport is not None
        return self._transport.underlying_transport.get_write_buffer_size()

    def send(self, message: bytes) -> None:
        """Never waits; after the end it does nothing."""
        assert self._transport is not None
        self._transport.send(WSMsgType.TEXT, message)

    async def close(self) -> None:
        """Say goodbye; an API that does not answer is left all the same."""
        transport = self._transport
        if transport is None or transport.is_disconnected:
            return
        transport.send_close(WSCloseCode.OK)
        try:
            async with asyncio.timeout(CLOSE_LIMIT_S):
                await transport.wait_disconnected()
        except (TimeoutError, SocketError, OSError):
            transport.disconnect(graceful=False)


def _code(frame: WSFrame) -> int:
    """The API's own codes are none of the library's enumeration."""
    return int.from_bytes(frame.get_payload_as_bytes()[:2]) or int(WSCloseCode.NO_INFO.value)


@cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the certificate store takes longer than a handshake."""
    return ssl.create_default_context()
