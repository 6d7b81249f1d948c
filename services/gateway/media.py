"""Twilio's media sockets: who may come in, and that every one of them ends.

A socket is let in by its token; what becomes of it is `sitting.py`'s. Legs that fall silent are
ended by one watch for all of them.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from aiohttp import web

from callfleet import telemetry
from callfleet.calls import CallStart, EndReason
from callfleet.errors import CallerFault
from services.gateway import metrics
from services.gateway.callbook import CallBook
from services.gateway.carriers.twilio import MAX_MESSAGE_BYTES
from services.gateway.carriers.twilio_webhooks import SIGNATURE, is_signed, stream_urls
from services.gateway.prompt_socket import PromptSocket
from services.gateway.relay import Switching
from services.gateway.sitting import CLOSE_LIMIT_S, Sitting
from services.gateway.tokens import Tokens

STOP_LIMIT_S: Final = 4.0
_WATCH_S: Final = 1.0

log: Final = telemetry.logger(__name__)


class TwilioMedia:
    """Every Twilio leg of one gateway."""

    def __init__(
        self,
        *,
        tokens: Tokens,
        callbook: CallBook,
        switching: Switching,
        public_url: str,
        auth_token: str,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        self._callbook = callbook
        self._switching = switching
        self._tokens = tokens
        self._public_url = public_url
        self._auth_token = auth_token
        self._clock_s = clock_s
        self._sittings: set[Sitting] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def legs(self) -> int:
        return len(self._sittings)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        token = request.match_info["token"]
        try:
            start = self._admitted(request, token)
        except CallerFault as fault:
            log.warning("media socket refused", why=str(fault), peer=request.remote)
            return web.Response(status=403, text="no")
        ws = PromptSocket(max_message_bytes=MAX_MESSAGE_BYTES, close_limit_s=CLOSE_LIMIT_S / 2)
        await ws.prepare(request)
        transport = request.transport
        if transport is None:
            return ws  # gone before it began
        sitting = Sitting(
            ws,
            transport,
            token=token,
            start=start,
            callbook=self._callbook,
            switching=self._switching,
        )
        self._sittings.add(sitting)
        self._idle.clear()
        try:
            await sitting.run()
        finally:
            self._sittings.discard(sitting)
            if not self._sittings:
                self._idle.set()
        return ws

    def _admitted(self, request: web.Request, token: str) -> CallStart:
        """Raises CallerFault."""
        signature = request.headers.get(SIGNATURE)
        if signature is not None:
            urls = stream_urls(self._public_url, request.raw_path)
            if not is_signed(self._auth_token, urls, (), signature):
                metrics.socket_refused(metrics.Refused.FORGED)
                raise CallerFault("the signature is not Twilio's")
        try:
            return self._tokens.open(token, now_s=self._clock_s())
        except CallerFault:
            metrics.socket_refused(metrics.Refused.TOKEN)
            raise

    async def watch(self) -> None:
        """End the legs that have fallen silent; for the life of the process."""
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(_WATCH_S)
            now = loop.time()
            if now - last < 3 * _WATCH_S:  # else it was this process that stood still
                for sitting in list(self._sittings):
                    sitting.look(now)
            last = now

    async def idle(self) -> None:
        """Until there is no leg."""
        await self._idle.wait()

    async def stop(self) -> None:
        """End every leg now."""
        for sitting in list(self._sittings):
            sitting.end(EndReason.DRAINED)
        try:
            async with asyncio.timeout(STOP_LIMIT_S):
                await self._idle.wait()
        except TimeoutError:
            log.error("legs did not end in time", legs=self.legs)
