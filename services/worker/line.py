"""A call's line to the API: one session after another, for a moment two of them at once.

Which session there is to be, and when, is the conversation's decision; here it is done. A session
that is opened takes the place of the one before it; a spare stands beside it, unheard and unheard
of, until it is switched to, and the old one is let go when the new one has been told everything.

The caller's sound goes to the session in use. The last seconds of it are kept: when a session is
lost, the next one hears what came meanwhile, and again what went down with the old one. That is the
only sound that is ever sent faster than it was spoken.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

from callfleet import telemetry
from callfleet.audio import AudioFormat
from services.worker import metrics
from services.worker.dialogue import (
    Event,
    Failure,
    Hear,
    KeepSound,
    OpenSession,
    SessionCommand,
    SessionFailed,
    SessionReady,
    SpareFailed,
    SpareReady,
    SwitchSession,
)
from services.worker.ports import Session

KEPT_MS: Final = 8_000
FRAME_MS: Final = 20

log = telemetry.logger(__name__)

Receive = Callable[[Event], None]


class Line:
    """Of one call. `live` opens the first session by itself."""

    def __init__(self, dial: Callable[[], Session], fmt: AudioFormat) -> None:
        self._dial = dial
        self._fmt = fmt
        self._receive: Receive = nobody
        self._current: Session | None = None
        self._hearing: Session | None = None  # the current one, when it is to hear the caller
        self._spare: Session | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._closed = asyncio.Event()
        self._kept: deque[bytes] = deque(maxlen=KEPT_MS // FRAME_MS)
        # Positions in all of it, in bytes.
        self._arrived = 0
        self._heard = 0  # so much, by some session
        self._wanted_from = 0  # should a session have to hear it again

    @property
    def id(self) -> str:
        """The API's name for the session in use."""
        return "" if self._current is None else self._current.id

    async def live(self, receive: Receive) -> None:
        """Until `close`; sessions that fail are told, and others opened when ordered."""
        self._receive = receive
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._open(0)
                await self._closed.wait()
                await self._let_go(self._current, self._spare)
        finally:
            self._tasks = None

    async def close(self) -> None:
        """Say goodbye to the API; safe to call at any time, more than once."""
        self._closed.set()
        self._hush()
        await self._let_go(self._current, self._spare)

    # The caller's sound --------------------------------------------------------------------------

    def append(self, audio: bytes) -> None:
        """The caller's next sound: fifty times a second."""
        self._kept.append(audio)
        self._arrived += len(audio)
        if self._hearing is not None:
            self._hearing.append(audio)

    def _hush(self) -> None:
        """Until further notice no session hears the caller."""
        if self._hearing is not None:
            self._heard, self._hearing = self._arrived, None

    def _hear(self, order: Hear) -> None:
        if self._hearing is not None:
            return
        unheard = self._arrived - self._heard
        wanted = unheard + self._fmt.bytes(order.overlap_ms)
        if order.again:
            wanted = max(wanted, self._arrived - self._wanted_from)
        sound: list[bytes] = []
        size = 0
        for audio in reversed(self._kept):
            if size >= wanted:
                break
            sound.append(audio)
            size += len(audio)
        if size < unheard:
            metrics.audio_dropped("early", unheard - size)
        self._hearing = self._current
        if sound and self._current is not None:
            self._current.append(b"".join(reversed(sound)))

    # Orders --------------------------------------------------------------------------------------

    def perform(self, command: SessionCommand) -> None:
        match command:
            case OpenSession(after_ms, spare=False):
                self._open(after_ms)
            case OpenSession(after_ms):
                self._open_spare(after_ms)
            case SwitchSession():
                self._switch()
            case Hear():
                self._hear(command)
            case KeepSound(ago_ms):
                self._wanted_from = self._arrived - self._fmt.bytes(ago_ms)
            case _ if self._current is not None:
                self._current.perform(command)

    def _open(self, after_ms: int) -> None:
        """The place of the current session, if there is one, is taken."""
        self._hush()
        old, session = self._current, self._dial()
        self._current = session
        self._start(self._life(session, after_ms, self._hears(session)))
        if old is not None:
            metrics.session_reopened()
        self._retire(old)

    def _open_spare(self, after_ms: int) -> None:
        old, spare = self._spare, self._dial()
        self._spare = spare
        self._start(self._life(spare, after_ms, self._hears(spare)))
        self._retire(old)

    def _switch(self) -> None:
        if self._spare is None:
            return
        old, self._current = self._current, self._spare
        self._spare = None
        self._hush()
        self._current.listen(self._receive)
        metrics.session_rotated()
        self._retire(old)

    def _hears(self, session: Session) -> Receive:
        """What it says is told as long as it has a place; while it speaks, without this detour."""

        def receive(event: Event) -> None:
            if session is self._current:
                session.listen(self._receive)
                self._receive(event)
            elif session is self._spare:
                self._hear_spare(event)

        return receive

    def _hear_spare(self, event: Event) -> None:
        if isinstance(event, SessionReady):
            self._receive(SpareReady(event.lifetime_ms))
        elif isinstance(event, SessionFailed):
            self._spare = None
            self._receive(SpareFailed(event.failure))

    # Their lives ---------------------------------------------------------------------------------

    def _start(self, life: Coroutine[Any, Any, None]) -> None:
        if self._tasks is None or self._closed.is_set():
            life.close()
        else:
            self._tasks.create_task(life)

    async def _life(self, session: Session, after_ms: int, receive: Receive) -> None:
        try:
            if after_ms:  # calls that lost their sessions together are not to return together
                await asyncio.sleep(after_ms / 1000 * random.uniform(0.5, 1.0))  # noqa: S311
            if not self._closed.is_set() and session in (self._current, self._spare):
                await session.live(receive)
        except Exception:
            log.exception("the session failed")
            receive(SessionFailed(Failure.LOST))
        finally:
            await session.close()

    def _retire(self, old: Session | None) -> None:
        if old is not None:
            old.listen(nobody)
            self._start(old.close())

    async def _let_go(self, *sessions: Session | None) -> None:
        for session in sessions:
            if session is not None:
                session.listen(nobody)
                await session.close()


def nobody(_: Event) -> None:
    """Whom a session tells that has no place any more."""
