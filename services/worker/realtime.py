"""One WebSocket to OpenAI Realtime: connect, configure, read, close.

`live` is a session's whole life, and tells it in the conversation's words: `SessionReady` once the
API has taken the configuration, and at most one `SessionFailed`, whatever went wrong and however
early. Writing never waits. The caller's sound is dropped (the newest, counted) when two seconds of
it stand in the socket's buffer: an agent who hears late is worse than one who misses a word; and
before the session is ready, the last five seconds are kept for it.

Compression is off: it would cost four times the CPU for sound that does not shrink. The read limit
holds the largest event the API may send. asyncio and uvloop set TCP_NODELAY on every socket.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import aiohttp
from aiohttp import ClientWebSocketResponse, WSMsgType
from yarl import URL

from callfleet import telemetry
from callfleet.audio import AudioFormat
from services.worker import metrics
from services.worker import realtime_events as api
from services.worker.dialogue import Event, Failure, SessionCommand, SessionFailed, SessionReady
from services.worker.interpreter import Interpreter
from services.worker.realtime_errors import (
    Trouble,
    failure_of_close,
    failure_of_status,
    trouble_of,
)

CONNECT_LIMIT_S: Final = 10.0
CONFIGURE_LIMIT_S: Final = 5.0
CLOSE_LIMIT_S: Final = 1.0
PING_EVERY_S: Final = 15.0
MESSAGE_MAX_BYTES: Final = 20 * 1024 * 1024
EARLY_MS: Final = 5_000
UNSENT_MS: Final = 2_000

_AZURE: Final = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")

_SETUP_FAILURES: Final = {
    Trouble.FATAL: Failure.REFUSED,
    Trouble.CONFIG: Failure.MISCONFIGURED,
    Trouble.EXPIRED: Failure.EXPIRED,
}

log = telemetry.logger(__name__)

Receive = Callable[[Event], None]


@dataclass(frozen=True, slots=True, repr=False)
class Endpoint:
    """Where the API is and who we are to it."""

    url: str
    api_key: str

    def address(self, model: str) -> URL:
        return URL(self.url).update_query(model=model)

    def headers(self) -> dict[str, str]:
        host = urlsplit(self.url).hostname or ""
        if host.endswith(_AZURE):
            return {"api-key": self.api_key}
        return {"Authorization": f"Bearer {self.api_key}"}


class _Over(Exception):
    """The session is of no more use."""

    def __init__(self, failure: Failure, why: str) -> None:
        super().__init__(why)
        self.failure = failure


class Session:
    """A call's voice and ears at the API."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        endpoint: Endpoint,
        *,
        model: str,
        settings: dict[str, Any],
        fmt: AudioFormat,
    ) -> None:
        self.id = ""
        self._http = http
        self._endpoint = endpoint
        self._model = model
        self._settings = settings
        self._interpreter = Interpreter(fmt)
        self._ws: ClientWebSocketResponse[Literal[False]] | None = None
        self._open = False  # configured: what is sent now is meant
        self._closing = False
        self._early: deque[bytes] = deque()
        self._early_bytes = 0
        self._early_max = fmt.bytes(EARLY_MS)
        self._unsent_max = fmt.bytes(UNSENT_MS) * 3 // 2  # base64 and the event around it

    async def live(self, receive: Receive) -> None:
        """From the first byte to the last."""
        try:
            await self._connect()
            await self._configure()
            self._open = True
            receive(SessionReady())
            self._send_early()
            await self._read(receive)
        except _Over as over:
            if not self._closing:
                metrics.session_failed(over.failure.value)
                log.warning("session failed", failure=over.failure.value, why=str(over))
                receive(SessionFailed(over.failure))
        finally:
            self._open = False
            await self.close()

    # Writing -------------------------------------------------------------------------------------

    def append(self, audio: bytes) -> None:
        """The caller's next sound: fifty times a second per call."""
        if self._open:
            if self._unsent() < self._unsent_max:
                self._send(self._interpreter.append(audio))
            else:
                metrics.audio_dropped("slow", len(audio))
        elif not self._closing:
            self._keep(audio)

    def perform(self, command: SessionCommand) -> None:
        if self._open:
            for message in self._interpreter.write(command):
                self._send(message)

    async def close(self) -> None:
        """Say goodbye to the API; safe to call at any time, more than once."""
        self._closing = True
        self._open = False
        ws = self._ws
        if ws is not None and not ws.closed:
            await ws.close()

    def _send(self, message: bytes) -> None:
        """Hand a message to the transport without a task or a wait.

        aiohttp writes the frame before it waits for a slow socket, so one step of its coroutine
        sends, and what remains of it is only the wait, which `append` has made needless.
        """
        assert self._ws is not None
        sending = self._ws.send_frame(message, WSMsgType.TEXT)
        try:
            sending.send(None)
        except StopIteration:
            return
        except ConnectionError:
            return  # the reader notices, and knows better why
        sending.close()

    def _unsent(self) -> int:
        """Bytes that wait in the socket's buffer."""
        # aiohttp offers the transport's facts but not its buffer.
        return self._ws._writer.transport.get_write_buffer_size()  # type: ignore[union-attr]

    def _keep(self, audio: bytes) -> None:
        self._early.append(audio)
        self._early_bytes += len(audio)
        while self._early_bytes > self._early_max:
            oldest = self._early.popleft()
            self._early_bytes -= len(oldest)
            metrics.audio_dropped("early", len(oldest))

    def _send_early(self) -> None:
        kept = b"".join(self._early)
        self._early.clear()
        if kept:
            self._send(self._interpreter.append(kept))

    # Reading -------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                self._ws = await self._http.ws_connect(
                    self._endpoint.address(self._model),
                    headers=self._endpoint.headers(),
                    heartbeat=PING_EVERY_S,
                    compress=0,
                    max_msg_size=MESSAGE_MAX_BYTES,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_LIMIT_S),
                    decode_text=False,
                )
        except aiohttp.WSServerHandshakeError as refused:
            why = f"the handshake was answered with {refused.status}"
            raise _Over(failure_of_status(refused.status), why) from refused
        except (aiohttp.ClientError, OSError, TimeoutError) as trouble:
            raise _Over(Failure.LOST, f"no connection ({type(trouble).__name__})") from trouble
        if self._closing:
            raise _Over(Failure.LOST, "the call ended first")

    async def _configure(self) -> None:
        """`session.created` first, then our settings, then the API's consent to them."""
        try:
            async with asyncio.timeout(CONFIGURE_LIMIT_S):
                while not isinstance(event := await self._next(), api.SessionCreated):
                    _raise_if_error(event)
                self.id = event.session.id
                self._send(self._interpreter.settings(self._settings))
                while not isinstance(event := await self._next(), api.SessionUpdated):
                    _raise_if_error(event)
        except TimeoutError:
            raise _Over(Failure.LOST, "the session was not configured in time") from None

    async def _read(self, receive: Receive) -> None:
        read = self._interpreter.read
        while True:
            event = await self._next()
            if isinstance(event, api.Error):
                _tell_error(event.error)
            if isinstance(event, api.Unused):
                continue
            fact = read(event)
            if isinstance(fact, SessionFailed):
                raise _Over(fact.failure, "the API said so")
            if fact is not None:
                receive(fact)

    async def _next(self) -> api.ServerEvent | api.Unused:
        """The next event we know, whatever else comes."""
        assert self._ws is not None
        while True:
            message = await self._ws.receive()
            if message.type is WSMsgType.TEXT:
                event = api.parse(message.data)
                if not isinstance(event, api.Unknown):
                    return event
                metrics.unknown_event()
                log.debug("unknown event", event_type=event.type[:80])
            elif message.type is WSMsgType.CLOSE:
                reason = message.extra or ""
                raise _Over(failure_of_close(message.data, reason), f"{message.data} {reason}")
            elif message.type is not WSMsgType.BINARY:
                raise _Over(Failure.LOST, "the connection broke")


def _raise_if_error(event: api.ServerEvent | api.Unused) -> None:
    """While a session is set up, an error is the end of it."""
    if not isinstance(event, api.Error):
        return
    _tell_error(event.error)
    error = event.error
    trouble = trouble_of(error.type, error.code)
    # Of a setting the message says what is wrong with it; nothing a caller said is in there yet.
    why = f"{error.param}: {error.message}" if trouble is Trouble.CONFIG else str(error.code)
    raise _Over(_SETUP_FAILURES.get(trouble, Failure.LOST), why)


def _tell_error(error: api.ErrorFacts) -> None:
    trouble = trouble_of(error.type, error.code)
    metrics.session_error(trouble.value)
    if trouble not in (Trouble.BENIGN, Trouble.BUSY):
        # The message may quote an item's content; code and parameter say enough.
        log.warning(
            "session error",
            trouble=trouble.value,
            code=error.code,
            param=error.param,
            event_id=error.event_id,
        )
