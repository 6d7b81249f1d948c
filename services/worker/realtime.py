"""One session of OpenAI Realtime: open, configure, talk, close.

`live` is a session's whole life, and tells it in the conversation's words: `SessionReady` once the
API has taken the configuration, and at most one `SessionFailed`, whatever went wrong and however
early. Writing never waits. The caller's sound is dropped (the newest, counted) when two seconds of
it stand in the socket's buffer: an agent who hears late is worse than one who misses a word, and
nothing is ever sent in a burst after a stall but what those two seconds hold.

Every message is dealt with in the call that brings it (`realtime_socket`); `live` only waits for
the two things that end a phase: the API's consent, and the end.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from callfleet import telemetry
from callfleet.audio import AudioFormat
from services.worker import metrics
from services.worker import realtime_events as api
from services.worker.account import SessionAccount
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
from services.worker.realtime_failure import SessionOver, raise_if_error, said_by, tell_error
from services.worker.realtime_socket import Ears, RealtimeSocket

CONFIGURE_LIMIT_S: Final = 5.0
UNSENT_MS: Final = 2_000

log = telemetry.logger(__name__)

Receive = Callable[[Event], None]


class Session:
    """A call's voice and ears at the API."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        model: str,
        settings: dict[str, Any],
        fmt: AudioFormat,
        account: SessionAccount,
    ) -> None:
        self.id = ""
        self._endpoint = endpoint
        self._model = model
        self._account = account
        self._settings = settings
        self._interpreter = Interpreter(fmt)
        self._socket = RealtimeSocket(Ears(message=self._take, over=self._end))
        self._receive: Receive = _nobody
        self._open = False  # configured: what is sent now is meant
        self._closing = False
        self._expires_at: int | None = None
        loop = asyncio.get_running_loop()
        self._consent: asyncio.Future[None] = loop.create_future()
        self._over: asyncio.Future[SessionOver] = loop.create_future()
        self._unsent_max = fmt.bytes(UNSENT_MS) * 3 // 2  # base64 and the event around it

    def listen(self, receive: Receive) -> None:
        """Who is told from now on what it says."""
        self._receive = receive

    async def live(self, receive: Receive) -> None:
        """From the first byte to the last."""
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        self._receive = receive
        try:
            await self._socket.connect(self._endpoint, self._model)
            if self._closing:
                raise SessionOver(Failure.LOST, "the call ended first")
            await self._configured()
            metrics.session_ready(loop.time() - asked_at)
            raise await self._over
        except SessionOver as over:
            self._tell_failure(over)
        finally:
            self._open = False
            await self.close()

    async def _configured(self) -> None:
        """Until the API has taken our settings. Raises SessionOver."""
        phases = (self._consent, self._over)
        await asyncio.wait(phases, timeout=CONFIGURE_LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
        if self._over.done():
            raise self._over.result()
        if not self._consent.done():
            raise SessionOver(Failure.LOST, "the session was not configured in time")

    def _tell_failure(self, over: SessionOver) -> None:
        if not self._closing:
            metrics.session_failed(over.failure.value)
            self._account.refused(over.said)
            log.warning("session failed", failure=over.failure.value, why=str(over))
            self._receive(SessionFailed(over.failure))

    # Writing -------------------------------------------------------------------------------------

    def append(self, audio: bytes) -> None:
        """The caller's next sound: fifty times a second per call."""
        if self._open:
            if self._socket.unsent_bytes < self._unsent_max:
                self._socket.send(self._interpreter.append(audio))
            else:
                metrics.audio_dropped("slow", len(audio))

    def perform(self, command: SessionCommand) -> None:
        if self._open:
            for message in self._interpreter.write(command):
                self._socket.send(message)

    async def close(self) -> None:
        """Say goodbye to the API; safe to call at any time, more than once."""
        self._closing = True
        self._open = False
        await self._socket.close()

    # Reading -------------------------------------------------------------------------------------

    def _take(self, message: bytes) -> None:
        """Any message of the API's."""
        if self._over.done():
            return
        event = api.parse(message)
        try:
            if type(event) is api.AudioDelta:  # fifty times a second while the agent speaks
                if self._open:
                    self._receive(AgentAudio(event.item_id, event.delta))
            elif type(event) is api.Unknown:
                metrics.unknown_event()
                log.debug("unknown event", event_type=event.type[:80])
            elif not isinstance(event, api.Unused | api.Unknown):
                self._hear(event)
        except SessionOver as over:
            self._end(over)
        except Exception as fault:  # ours: told where the session is awaited, not to the socket
            self._fail(fault)

    def _hear(self, event: api.ServerEvent) -> None:
        if not self._open:
            self._set_up(event)
            return
        if isinstance(event, api.Error):
            tell_error(event.error)
        self._account.heard(event)
        fact = self._interpreter.read(event)
        if isinstance(fact, SessionFailed):
            raise SessionOver(fact.failure, "the API said so", said_by(event))
        if fact is not None:
            self._receive(fact)

    def _set_up(self, event: api.ServerEvent) -> None:
        """`session.created` first, then our settings, then the API's consent to them."""
        raise_if_error(event)
        if not self.id and isinstance(event, api.SessionCreated):
            self.id = event.session.id
            self._expires_at = event.session.expires_at
            self._socket.send(self._interpreter.settings(self._settings))
        elif self.id and isinstance(event, api.SessionUpdated) and not self._closing:
            self._open = True
            self._consent.set_result(None)
            self._receive(SessionReady(_lifetime_ms(self._expires_at or event.session.expires_at)))

    def _end(self, over: SessionOver) -> None:
        """The first reason given is the one that counts."""
        self._open = False
        if not self._over.done():
            self._over.set_result(over)

    def _fail(self, fault: Exception) -> None:
        self._open = False
        if not self._over.done():
            self._over.set_exception(fault)


def _lifetime_ms(expires_at: int | None) -> int | None:
    return None if expires_at is None else max(0, int((expires_at - time.time()) * 1000))


def _nobody(_: Event) -> None:
    """Before `live` there is nobody to tell."""
