"""Twilio's webhooks: answer a call, say what comes after its stream, hear that it is over.

Whatever happens here, Twilio gets a document that a caller can live with: the agent, the agent's
overflow, or a sentence. Only who is not Twilio gets an error.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from callfleet import telemetry
from callfleet.audio import PCMU
from callfleet.calls import CallStart, EndReason, LegKind, new_call_id
from callfleet.config import Agent, Config
from callfleet.errors import CallerFault, StoreFault
from callfleet.journal import Journal
from callfleet.slots import Full, Waiting
from services.gateway import metrics
from services.gateway.admission import Admission
from services.gateway.callbook import CallBook
from services.gateway.carriers import twiml
from services.gateway.carriers.twilio_webhooks import (
    SIGNATURE,
    Webhook,
    is_signed,
    read_form,
    read_webhook,
)
from services.gateway.metrics import Answered, Asked
from services.gateway.tokens import NONCE_BYTES, Tokens, digest
from services.gateway.waiting import WaitingRoom

BODY_BYTES: Final = 64 * 1024
BODY_LIMIT_S: Final = 5.0
ANSWER_LIMIT_S: Final = 4.0  # Twilio waits 15 s, a caller rather less
NOTE_LIMIT_S: Final = 0.5

VOICE_PATH: Final = "/twilio/voice"
AFTER_PATH: Final = "/twilio/after"
STATUS_PATH: Final = "/twilio/status"
MEDIA_PATH: Final = "/media/twilio/"

log: Final = telemetry.logger(__name__)

Answer = tuple[Answered, str]


class TwilioWebhooks:
    """The three of them; any gateway may get any."""

    def __init__(
        self,
        *,
        config: Config,
        tokens: Tokens,
        callbook: CallBook,
        admission: Admission,
        journal: Journal,
        room: WaitingRoom,
        public_url: str,
        auth_token: str,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._tokens = tokens
        self._callbook = callbook
        self._admission = admission
        self._journal = journal
        self._room = room
        self._public_url = public_url
        self._stream_url = "ws" + public_url.removeprefix("http") + MEDIA_PATH
        self._auth_token = auth_token
        self._clock_s = clock_s

    async def voice(self, request: web.Request) -> web.Response:
        return await self._answer(request, Asked.VOICE, self._voice)

    async def after(self, request: web.Request) -> web.Response:
        return await self._answer(request, Asked.AFTER, self._after)

    async def status(self, request: web.Request) -> web.Response:
        return await self._answer(request, Asked.STATUS, self._status)

    async def _answer(
        self, request: web.Request, asked: Asked, decide: Callable[[Webhook], Awaitable[Answer]]
    ) -> web.Response:
        """Check who asks, then let `decide` find the document."""
        began_s = time.perf_counter()
        with telemetry.span("webhook", webhook=asked.value) as span:
            try:
                webhook = await self._read(request)
            except CallerFault as fault:
                answer = Answered(str(fault))
                status = 403 if answer is Answered.FORGED else 400
                response = web.Response(status=status, text="no")
                log.warning("webhook refused", webhook=asked, why=answer, peer=request.remote)
            else:
                answer, document = await decide(webhook)
                response = _document(document)
            span.set(answer=answer.value)
        metrics.webhook_answered(asked, answer, time.perf_counter() - began_s)
        return response

    async def _read(self, request: web.Request) -> Webhook:
        """Raises CallerFault: not Twilio, or nothing that Twilio would send."""
        try:
            async with asyncio.timeout(BODY_LIMIT_S):
                form = read_form(await request.read())
        except TimeoutError:
            raise CallerFault(Answered.MALFORMED) from None
        signature = request.headers.get(SIGNATURE, "")
        url = self._public_url + request.raw_path
        if not is_signed(self._auth_token, (url,), form, signature):
            raise CallerFault(Answered.FORGED)
        return read_webhook(form)

    # A call comes in.

    async def _voice(self, webhook: Webhook) -> Answer:
        agent = self._config.agent_for(webhook.called)
        if agent is None:
            log.warning("nobody owns the number", called=webhook.called)
            return Answered.UNKNOWN_NUMBER, twiml.say(twiml.UNKNOWN_NUMBER)
        start = self._begin(webhook, agent)
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                return await self._admit(webhook, agent, start)
        except (StoreFault, TimeoutError) as fault:
            log.error("Redis cannot be asked", agent=agent.name, why=str(fault))
        return await self._admit_blindly(webhook, agent, start)

    async def _admit(self, webhook: Webhook, agent: Agent, start: CallStart) -> Answer:
        """A stream for a slot or a place in the queue, or the overflow; the same if asked twice."""
        ours = self._token(start)
        token = await self._callbook.keep_token(webhook.call_sid, ours)
        if token != ours:  # not its first webhook
            start = self._tokens.recall(token)
        with telemetry.bind_call(start.call_id):
            ended = await self._callbook.ended(webhook.call_sid)
            if ended is None:
                answer = await self._room.enter(start)
                if not isinstance(answer, Full):
                    waits = isinstance(answer, Waiting)
                    log.info("call admitted", agent=start.agent, org=start.org, waits=waits)
                    return Answered.QUEUED if waits else Answered.ADMITTED, self._connect(token)
                await self._note_no_slot(webhook)
                await self._admission.turn_away(start)
            return Answered.FULL, _overflow(webhook, agent)

    async def _admit_blindly(self, webhook: Webhook, agent: Agent, start: CallStart) -> Answer:
        """Redis is away: let the caller in if the org's file says so, else the overflow."""
        token = self._callbook.keep_token_here(webhook.call_sid, self._token(start))
        start = self._tokens.recall(token)
        with telemetry.bind_call(start.call_id):
            if self._room.let_in(start):
                log.warning("call let in without Redis", agent=start.agent, org=start.org)
                return Answered.BLIND, self._connect(token)
            await self._note_no_slot(webhook)
            self._admission.turn_away_later(start)
            return Answered.STORE_AWAY, _overflow(webhook, agent)

    async def _note_no_slot(self, webhook: Webhook) -> None:
        try:
            async with asyncio.timeout(NOTE_LIMIT_S):
                await self._callbook.note_end(webhook.call_sid, EndReason.NO_SLOT)
        except (StoreFault, TimeoutError) as fault:
            log.warning("end not noted", reason=EndReason.NO_SLOT, why=str(fault))

    def _begin(self, webhook: Webhook, agent: Agent) -> CallStart:
        now_ms = int(self._clock_s() * 1000)
        return CallStart(
            call_id=new_call_id(now_ms, secrets.token_bytes(10)),
            org=agent.org,
            agent=agent.name,
            leg=LegKind.TWILIO,
            caller=webhook.caller,
            called=webhook.called,
            carrier_call_id=webhook.call_sid,
            audio=PCMU.name,
            started_at_ms=now_ms,
            traceparent=telemetry.traceparent(),
        )

    def _token(self, start: CallStart) -> str:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return self._tokens.make(start, now_s=self._clock_s(), nonce=nonce)

    def _connect(self, token: str) -> str:
        return twiml.connect(
            stream_url=self._stream_url + token,
            action_url=self._public_url + AFTER_PATH,
            token=token,
        )

    # Its stream has ended.

    async def _after(self, webhook: Webhook) -> Answer:
        agent = self._config.agent_for(webhook.called)
        reason = None
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                # First what this gateway may have seen itself: that needs no Redis.
                reason = await self._callbook.ended(webhook.call_sid)
                start = await self._recall(webhook)
                if start is not None:
                    agent = self._config.agents.get(start.agent, agent)
                    reason = reason or await self._unseen_end(webhook, start)
        except (StoreFault, TimeoutError) as fault:
            log.error("a call's end is not known", why=str(fault))
        facts = twiml.Facts(reason, is_over=webhook.is_over, anonymous=webhook.is_anonymous)
        answer = Answered(twiml.what_next(facts).value)
        log.info("stream ended", reason=reason, answer=answer)
        return answer, twiml.after(facts, agent.overflow if agent else None)

    async def _recall(self, webhook: Webhook) -> CallStart | None:
        token = await self._callbook.token(webhook.call_sid)
        try:
            return None if token is None else self._tokens.recall(token)
        except CallerFault:  # the secret was changed meanwhile
            return None

    async def _unseen_end(self, webhook: Webhook, start: CallStart) -> EndReason | None:
        """The end of a call that no gateway saw: as its worker wrote it, or never begun."""
        ended = await self._journal.ended(start.call_id)
        if ended is None and await self._never_came(webhook):
            ended = EndReason.CALLER_HUNG_UP if webhook.is_over else EndReason.LEG_LOST
            await self._admission.close_unserved(start, ended)
        return ended

    async def _never_came(self, webhook: Webhook) -> bool:
        """No socket brought the call's token; from now on none can."""
        token = await self._callbook.token(webhook.call_sid)
        return token is not None and await self._callbook.use(webhook.call_sid, digest(token))

    # The call is over.

    async def _status(self, webhook: Webhook) -> Answer:
        if webhook.is_over:
            try:
                async with asyncio.timeout(ANSWER_LIMIT_S):
                    start = await self._recall(webhook)
                    if start is not None and await self._callbook.ended(webhook.call_sid) is None:
                        await self._unseen_end(webhook, start)
            except (StoreFault, TimeoutError) as fault:
                log.error("a call's end is not known", why=str(fault))
        return Answered.NOTED, ""


def _overflow(webhook: Webhook, agent: Agent) -> str:
    return twiml.overflow(agent.overflow, anonymous=webhook.is_anonymous)


def _document(text: str) -> web.Response:
    if not text:
        return web.Response(status=204)
    return web.Response(text=text, content_type=twiml.CONTENT_TYPE, charset="utf-8")
