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
from typing import Any, Final, Literal

import aiohttp
from aiohttp import ClientWebSocketResponse, WSMsgType

from callfleet import telemetry
from callfleet.audio import AudioFormat
from services.worker import metrics
from services.worker import realtime_events as api
from services.worker.dialogue import (
    AgentAudio,
    Event,
    Failure,
    SessionCommand,
    SessionFailed,
    SessionReady,
)
from services.worker.endpoint import Endpoint
from services.worker.interpreter import Interpreter
from services.worker.realtime_errors import failure_of_close, failure_of_status
from services.worker.realtime_failure import SessionOver, first_of, raise_if_error, tell_error

CONNECT_LIMIT_S: Final = 10.0
CONFIGURE_LIMIT_S: Final = 5.0
CLOSE_LIMIT_S: Final = 1.0
PING_EVERY_S: Final = 15.0
PONG_LIMIT_S: Final = 7.5
MESSAGE_MAX_BYTES: Final = 20 * 1024 * 1024
EARLY_MS: Final = 5_000
UNSENT_MS: Final = 2_000

log = telemetry.logger(__name__)

Receive = Callable[[Event], None]


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
        self._heard = True  # anything, since it was last asked for a sign of life
        self._early: deque[bytes] = deque()
        self._early_bytes = 0
        self._early_max = fmt.bytes(EARLY_MS)
        self._unsent_max = fmt.bytes(UNSENT_MS) * 3 // 2  # base64 and the event around it

    async def live(self, receive: Receive) -> None:
        """From the first byte to the last."""
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        try:
            await self._connect()
            await self._configure()
            metrics.session_ready(loop.time() - asked_at)
            self._open = True
            receive(SessionReady())
            self._send_early()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_alive())
                tasks.create_task(self._read(receive))
        except* SessionOver as overs:
            self._tell_failure(first_of(overs), receive)
        finally:
            self._open = False
            await self.close()

    def _tell_failure(self, over: SessionOver, receive: Receive) -> None:
        if not self._closing:
            metrics.session_failed(over.failure.value)
            log.warning("session failed", failure=over.failure.value, why=str(over))
            receive(SessionFailed(over.failure))

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

    def _send(self, message: bytes, kind: WSMsgType = WSMsgType.TEXT) -> None:
        """Hand a message to the transport without a task or a wait.

        aiohttp writes the frame before it waits for a slow socket, so one step of its coroutine
        sends, and what remains of it is only the wait, which `append` has made needless.
        """
        assert self._ws is not None
        sending = self._ws.send_frame(message, kind)
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
                    autoping=False,  # see _keep_alive
                    compress=0,
                    max_msg_size=MESSAGE_MAX_BYTES,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_LIMIT_S),
                    decode_text=False,
                )
        except aiohttp.WSServerHandshakeError as refused:
            why = f"the handshake was answered with {refused.status}"
            raise SessionOver(failure_of_status(refused.status), why) from refused
        except (aiohttp.ClientError, OSError, TimeoutError) as trouble:
            raise SessionOver(
                Failure.LOST, f"no connection ({type(trouble).__name__})"
            ) from trouble
        if self._closing:
            raise SessionOver(Failure.LOST, "the call ended first")

    async def _configure(self) -> None:
        """`session.created` first, then our settings, then the API's consent to them."""
        try:
            async with asyncio.timeout(CONFIGURE_LIMIT_S):
                while not isinstance(event := await self._next(), api.SessionCreated):
                    raise_if_error(event)
                self.id = event.session.id
                self._send(self._interpreter.settings(self._settings))
                while not isinstance(event := await self._next(), api.SessionUpdated):
                    raise_if_error(event)
        except TimeoutError:
            raise SessionOver(Failure.LOST, "the session was not configured in time") from None

    async def _read(self, receive: Receive) -> None:
        assert self._ws is not None
        next_message, event_of = self._ws.receive, self._event_of
        while True:
            event = event_of(await next_message())
            if type(event) is api.AudioDelta:  # fifty times a second while the agent speaks
                receive(AgentAudio(event.item_id, event.delta))
            elif not isinstance(event, api.Unused | api.Unknown):
                self._hear(event, receive)

    def _hear(self, event: api.ServerEvent, receive: Receive) -> None:
        if isinstance(event, api.Error):
            tell_error(event.error)
        fact = self._interpreter.read(event)
        if isinstance(fact, SessionFailed):
            raise SessionOver(fact.failure, "the API said so")
        if fact is not None:
            receive(fact)

    async def _next(self) -> api.ServerEvent | api.Unused | api.Unknown:
        assert self._ws is not None
        return self._event_of(await self._ws.receive())

    # aiohttp's union of its message types is not public: hence Any.

    def _event_of(self, message: Any) -> api.ServerEvent | api.Unused | api.Unknown:
        self._heard = True
        if message.type is not WSMsgType.TEXT:
            return self._not_text(message)
        event = api.parse(message.data)
        if type(event) is api.Unknown:
            metrics.unknown_event()
            log.debug("unknown event", event_type=event.type[:80])
        return event

    def _not_text(self, message: Any) -> api.Unused:
        if message.type is WSMsgType.CLOSE:
            reason = message.extra or ""
            raise SessionOver(failure_of_close(message.data, reason), f"{message.data} {reason}")
        if message.type is WSMsgType.PING:
            self._send(message.data, WSMsgType.PONG)
        elif message.type not in (WSMsgType.PONG, WSMsgType.BINARY):
            raise SessionOver(Failure.LOST, "the connection broke")
        return api.UNUSED

    async def _keep_alive(self) -> None:
        """Notice an API that is gone without a word.

        aiohttp's own heartbeat would set its timers anew for every message.
        """
        while True:
            await asyncio.sleep(PING_EVERY_S)
            self._heard = False
            self._send(b"", WSMsgType.PING)
            await asyncio.sleep(PONG_LIMIT_S)
            if not self._heard:
                raise SessionOver(Failure.LOST, "the API is silent")
