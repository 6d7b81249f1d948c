"""One media socket, from its handshake to its close.

The call begins when `start` tells of the very call that the token names, for the first time in the
whole fleet. From then on one loop reads the socket and one task sees the call through. A message
that no carrier sends closes this socket, with a reason, and no other leg notices.
"""

import asyncio
from typing import Any, Final

from aiohttp import WebSocketError, WSCloseCode, WSMsgType

from callfleet import telemetry
from callfleet.calls import CallStart, EndReason
from callfleet.errors import CallerFault, StoreFault
from services.gateway import metrics
from services.gateway.callbook import CallBook
from services.gateway.carriers.twilio import Digit, Fact, MarkPassed, Offence, Started, Stopped
from services.gateway.carriers.twiml import TOKEN_PARAMETER
from services.gateway.leg import IDLE_LIMIT_S, TwilioLeg
from services.gateway.prompt_socket import PromptSocket
from services.gateway.relay import Relay, Switching
from services.gateway.tokens import digest

START_LIMIT_S: Final = 5.0
CLOSE_LIMIT_S: Final = 2.0
NOTE_LIMIT_S: Final = 0.5
_CLOSE_CODES: Final = {
    EndReason.CALLER_HUNG_UP: WSCloseCode.OK,
    EndReason.AGENT_HUNG_UP: WSCloseCode.OK,
    EndReason.LEG_REFUSED: WSCloseCode.POLICY_VIOLATION,
    EndReason.DRAINED: WSCloseCode.GOING_AWAY,
}

log: Final = telemetry.logger(__name__)


class Sitting:
    """One socket, from its handshake to its close."""

    def __init__(
        self,
        ws: PromptSocket,
        transport: asyncio.Transport,
        *,
        token: str,
        start: CallStart,
        callbook: CallBook,
        switching: Switching,
    ) -> None:
        self._callbook = callbook
        self._switching = switching
        self._ws = ws
        self._transport = transport
        self._token = token
        self._start = start
        self._leg = TwilioLeg(transport, self.refuse)
        self._relay: Relay | None = None
        self._offence: Offence | None = None
        self._began_s = asyncio.get_running_loop().time()

    async def run(self) -> None:
        with telemetry.bind_call(self._start.call_id):
            try:
                async with asyncio.timeout(START_LIMIT_S):
                    await self._until_started()
            except TimeoutError:
                self.refuse(Offence.NEVER_STARTED)
            except CallerFault as fault:
                self.refuse(Offence(str(fault)))
            except StoreFault as fault:
                log.error("leg cannot begin", why=str(fault))
                await self._close(WSCloseCode.TRY_AGAIN_LATER, "store")
                return
            if self._offence is not None:
                log.warning("leg refused", why=self._offence)
                await self._close(WSCloseCode.POLICY_VIOLATION, self._offence)
            elif not self._ws.closed:
                await self._hold()

    async def _until_started(self) -> None:
        """Returns when the call is this socket's, or the socket is gone."""
        while True:
            fact = self._fact(await self._ws.receive())
            if fact is None:
                await self._close(WSCloseCode.OK, "")
                return
            if isinstance(fact, Started):
                break
            if not self._leg.dialect.is_opening:
                raise CallerFault(Offence.UNEXPECTED)
        given = fact.parameters.get(TOKEN_PARAMETER)
        if fact.call_sid != self._start.carrier_call_id or given != self._token:
            raise CallerFault(Offence.MISMATCH)
        if not await self._callbook.use(fact.call_sid, digest(self._token)):
            raise CallerFault(Offence.USED)

    async def _hold(self) -> None:
        """The call, from here to its end."""
        start = self._start
        relay = self._relay = Relay(start, self._leg, self._switching)
        metrics.leg_opened()
        reason = EndReason.INTERNAL_ERROR
        with telemetry.span("leg", parent=start.traceparent, agent=start.agent, org=start.org):
            try:
                async with asyncio.TaskGroup() as tasks:
                    conducting = tasks.create_task(self._conduct(relay))
                    await self._listen(relay)
                reason = conducting.result()
            except* Exception:  # a mistake of ours costs this call, with a line that says so
                log.exception("leg failed")
                await self._close(WSCloseCode.INTERNAL_ERROR, reason)
            finally:
                relay.end(reason)
                metrics.leg_closed(reason)
                self._log(relay, reason)

    async def _listen(self, relay: Relay) -> None:
        """First what waits, then each text as it comes; in here only what else may come."""
        ws = self._ws
        listening = False
        while not relay.is_over:
            if not listening and not ws.has_waiting:
                ws.listen(self._hear)
                listening = True
            try:
                self._tell(relay, self._fact(await ws.receive()))
            except CallerFault as fault:
                self.refuse(Offence(str(fault)))
                return

    def _hear(self, text: bytes) -> None:
        """Fifty times a second. What goes wrong in here is this leg's alone."""
        relay = self._relay
        if relay is None or relay.is_over:
            return
        try:
            fact = self._leg.read(text)
            if type(fact) is bytes:
                relay.hear(fact)
            else:
                self._tell(relay, fact)
        except CallerFault as fault:
            self.refuse(Offence(str(fault)))
        except Exception:
            log.exception("leg failed")
            relay.end(EndReason.INTERNAL_ERROR)

    def _tell(self, relay: Relay, fact: Fact | None) -> None:
        match fact:
            case bytes():
                relay.hear(fact)
            case MarkPassed(name):
                relay.mark_passed(name)
            case Digit(digit):
                relay.press(digit)
            case Stopped():
                relay.end(EndReason.CALLER_HUNG_UP)
            case None:
                relay.end(EndReason.LEG_LOST)

    def _fact(self, message: Any) -> Fact | None:
        """What a message of aiohttp's says; None: the socket is gone. Raises CallerFault."""
        if message.type is WSMsgType.TEXT:
            return self._leg.read(message.data)
        if message.type is WSMsgType.BINARY:
            raise CallerFault(Offence.MALFORMED)
        if message.type is WSMsgType.ERROR and isinstance(message.data, WebSocketError):
            big = message.data.code == WSCloseCode.MESSAGE_TOO_BIG
            raise CallerFault(Offence.OVERSIZED if big else Offence.MALFORMED)
        if message.type is WSMsgType.PING:
            return self._leg.ping(message.data)
        if message.type is WSMsgType.PONG:
            return self._leg.pong()
        return None

    async def _conduct(self, relay: Relay) -> EndReason:
        """See the call through; then say how it ended, before Twilio can ask, and let go."""
        reason = await relay.run()
        try:
            async with asyncio.timeout(NOTE_LIMIT_S):
                await self._callbook.note_end(self._start.carrier_call_id, reason)
        except (StoreFault, TimeoutError) as fault:
            log.warning("end not noted", reason=reason, why=str(fault))
        code = _CLOSE_CODES.get(reason, WSCloseCode.INTERNAL_ERROR)
        await self._close(code, self._offence or reason)
        await relay.record()
        return reason

    def refuse(self, offence: Offence) -> None:
        """This leg has to go, and nobody else shall notice."""
        if self._offence is None:
            self._offence = offence
            metrics.leg_refused(offence)
            self.end(EndReason.LEG_REFUSED)

    def end(self, reason: EndReason) -> None:
        if self._relay is not None:
            self._relay.end(reason)

    def look(self, now_s: float) -> None:
        if now_s - self._leg.heard_at_s > IDLE_LIMIT_S:
            self.end(EndReason.LEG_LOST)

    async def _close(self, code: WSCloseCode, why: str) -> None:
        """Say goodbye; a peer that does not answer is cut off."""
        try:
            async with asyncio.timeout(CLOSE_LIMIT_S):
                await self._ws.close(code=code, message=why.encode())
        except (TimeoutError, OSError):
            self._transport.abort()

    def _log(self, relay: Relay, reason: EndReason) -> None:
        """The one line about a leg."""
        duration_s = asyncio.get_running_loop().time() - self._began_s
        log.info(
            "leg ended",
            reason=reason,
            offence=self._offence,
            agent=self._start.agent,
            org=self._start.org,
            worker=relay.worker_id,
            duration_s=round(duration_s, 3),
            waited_s=relay.start.waited_ms / 1000,
            heard_frames=relay.heard_frames,
            gaps=self._leg.dialect.gaps,
        )
