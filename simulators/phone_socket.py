"""A WebSocket client without a task: websockets' sans-I/O protocol on a plain asyncio transport.

The convenient client keeps a task, a queue and two futures per connection and cannot be told to
stop reading or to die without a goodbye. A carrier simulator needs hundreds of connections and
exactly those two misdeeds.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import WebSocketURI

_GOODBYE_S = 2.0
MAX_MESSAGE_BYTES = 16 * 1024 * 1024  # ten minutes of audio in one message still fit


@dataclass(frozen=True, slots=True)
class Closed:
    """How the connection ended, as this side saw it."""

    by: Literal["server", "lost", "carrier", "refused"]
    code: int | None = None
    reason: str = ""


class HandshakeRefused(Exception):
    """The server answered the upgrade with something other than 101."""


class MediaSocket(asyncio.Protocol):
    """One connection: `opened` and `closed` are futures, messages go to the two callables."""

    def __init__(
        self,
        address: WebSocketURI,
        headers: Mapping[str, str],
        on_text: Callable[[bytes], None],
        on_binary: Callable[[bytes], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._ws = ClientProtocol(address, max_size=MAX_MESSAGE_BYTES)
        self._headers = headers
        self._on_text, self._on_binary = on_text, on_binary
        self._transport: asyncio.Transport | None = None
        self._fragments: list[bytes] = []
        self._fragments_are_text = False
        self._asked_to_close = False
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[Closed] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's by inheritance, only by what they can do.
        self._transport = cast(asyncio.Transport, transport)
        request = self._ws.connect()
        for name, value in self._headers.items():
            if name in request.headers:
                del request.headers[name]
            request.headers[name] = value
        self._ws.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._ws.receive_data(data)
        for event in self._ws.events_received():
            if isinstance(event, Response):
                self._answered(event)
            elif isinstance(event, Frame):
                self._take(event)
        self._flush()
        if self._ws.close_expected():
            self._loop.call_later(_GOODBYE_S, self.abort)

    def eof_received(self) -> bool:
        self._ws.receive_eof()
        self._flush()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionResetError("closed during the handshake"))
            self.opened.exception()  # seen: nobody may be waiting any more
        if not self.closed.done():
            self.closed.set_result(self._ending())

    @property
    def protocol_error(self) -> str:
        """What the server did that WebSocket does not allow, if anything."""
        sent = self._ws.close_sent
        if self._ws.parser_exc is None or self._ws.close_rcvd or sent is None:
            return ""
        return f"{sent.code} {sent.reason}"

    @property
    def unsent_bytes(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport else 0

    def send(self, messages: list[bytes]) -> None:
        """Text messages, in one write; nothing once either side has begun to close."""
        if self._ws.state.name != "OPEN" or not messages:
            return
        for message in messages:
            self._ws.send_text(message)
        self._flush()

    def send_binary(self, data: bytes) -> None:
        if self._ws.state.name == "OPEN":
            self._ws.send_binary(data)
            self._flush()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye; if the server says none in return, leave anyway."""
        if self._ws.state.name == "OPEN":
            self._asked_to_close = True
            self._ws.send_close(code, reason)
            self._flush()
        self._loop.call_later(_GOODBYE_S, self.abort)

    def abort(self) -> None:
        """Drop the connection: the other side sees a reset, not a goodbye."""
        if self._transport is not None and not self._transport.is_closing():
            raw = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    def pause_reading(self, seconds: float) -> None:
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()
            self._loop.call_later(seconds, self._resume_reading)

    def _resume_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _answered(self, response: Response) -> None:
        refusal = self._ws.handshake_exc
        if self.opened.done():
            return
        if refusal is None:
            self.opened.set_result(None)
            return
        status = (
            f"HTTP {response.status_code}" if isinstance(refusal, InvalidStatus) else str(refusal)
        )
        self.opened.set_exception(HandshakeRefused(status))
        self.opened.exception()

    def _take(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._fragments_are_text = frame.opcode is Opcode.TEXT
            self._fragments = [bytes(frame.data)]
        elif frame.opcode is Opcode.CONT:
            self._fragments.append(bytes(frame.data))
        else:
            return
        if frame.fin:
            deliver = self._on_text if self._fragments_are_text else self._on_binary
            whole, self._fragments = b"".join(self._fragments), []
            deliver(whole)

    def _flush(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        for data in self._ws.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()

    def _ending(self) -> Closed:
        received = self._ws.close_rcvd
        code, reason = (received.code, received.reason) if received else (None, "")
        if self._asked_to_close or self.protocol_error:
            return Closed("carrier", code, reason)
        return Closed("server", code, reason) if received else Closed("lost")
