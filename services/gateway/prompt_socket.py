"""aiohttp's server WebSocket, with text handed over in the call that brings it.

aiohttp queues each message and wakes a task that takes it out: at fifty messages a second a leg,
that costs more than reading and relaying them. Once `listen` is called, a text message goes
straight from the parser to its listener; everything else (close, ping, binary, errors) still
arrives through `receive`, in its own order. Webhooks and media keep sharing one port and server.

This reaches behind aiohttp's public face (`_post_start`, the reader's queue): its version is
locked, and `tests/integration/test_prompt_socket.py` fails when a new one differs
(docs/decisions/0009).
"""

from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp._websocket.writer import WebSocketWriter

_QUEUE_BYTES = 2**16  # what may wait to be received before the peer is no longer read


class _PromptQueue(WebSocketDataQueue):
    """Where aiohttp's parser puts messages."""

    listener: Callable[[bytes], None] | None = None

    def feed_data(self, data: Any, size: int) -> None:
        if self.listener is not None and data.type is WSMsgType.TEXT:
            self.listener(data.data)
        else:
            super().feed_data(data, size)


class PromptSocket(web.WebSocketResponse[bool]):
    """A WebSocket without compression whose text is bytes."""

    def __init__(self, *, max_message_bytes: int, close_limit_s: float) -> None:
        super().__init__(
            compress=False,
            autoping=False,  # pings are counted like everything else that comes
            max_msg_size=max_message_bytes,
            decode_text=False,
            timeout=close_limit_s,
        )
        self._queue: _PromptQueue | None = None

    @property
    def has_waiting(self) -> bool:
        """Something came before anybody listened: `receive` it first, it takes no time."""
        assert self._queue is not None, "prepare first"
        return bool(self._queue._buffer)

    def listen(self, listener: Callable[[bytes], None]) -> None:
        """From here on `listener` is called with each text. It must not raise."""
        assert self._queue is not None and not self.has_waiting
        self._queue.listener = listener

    def _post_start(
        self, request: web.BaseRequest, protocol: str | None, writer: WebSocketWriter
    ) -> None:
        """What aiohttp does here, with our queue in the place of its own."""
        self._ws_protocol = protocol
        self._writer = writer
        self._reader = self._queue = _PromptQueue(
            request._protocol, _QUEUE_BYTES, loop=request._loop
        )
        self._parser = WebSocketReader(
            self._queue, self._max_msg_size, compress=False, decode_text=False
        )
        request.protocol.set_parser(self._parser)
        request.protocol.keep_alive(False)
