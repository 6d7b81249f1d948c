"""One call, from slot to journal.

Theory of operation. `live` is the whole life: adopt the slot, open the journal, settle the route,
talk (see `talk`), end. It ends exactly once, and on every path in this order: session closed,
journal ended (which releases the slot and drops the route), stream closed, analytics told. The
stream goes last because its end makes the carrier ask how the call ended, and by then the journal
must know. A call that somebody else has taken over is fenced: the session is closed, and nothing is
written any more. Redis away at the end: the caller is let go, the end is offered until it is taken.
Redis away at the beginning: a call that may go on does, and gets slot and journal when it is back.
"""

import asyncio
from typing import Final

from callfleet import prices, telemetry
from callfleet.audio import FORMATS
from callfleet.calls import CallStart, EndReason
from callfleet.config import Agent
from callfleet.errors import AtCapacity, StoreFault
from callfleet.journal_entries import CallEnd
from callfleet.link import GIVEN_AWAY
from callfleet.slots_terms import Lease
from services.worker import dialogue as told
from services.worker import metrics
from services.worker.agents import manner_of, session_settings, transcriber_of
from services.worker.clerk import GIVEN_UP, Clerk
from services.worker.line import Line
from services.worker.ports import Ports, Stream
from services.worker.spending import spent_before
from services.worker.talk import Talk
from services.worker.usage import of_models

END_AGAIN_S: Final = 1.0
END_TRIES: Final = 600
REGISTER_AGAIN_S: Final = 1.0
REGISTER_LIMIT_S: Final = 600.0  # after the call's end

log = telemetry.logger(__name__)


class Call:
    """Made when the worker takes it, then lived."""

    def __init__(self, start: CallStart, agent: Agent, stream: Stream, ports: Ports) -> None:
        fmt = FORMATS[start.audio]
        settings = session_settings(agent, fmt)
        self.start = start
        self._model = agent.model
        self._transcriber = transcriber_of(settings)
        self._stream = stream
        self._ports = ports
        self._clerk = Clerk(ports.journals, start)
        self._lease: Lease | None = None
        self._unregistered = False  # it goes on without Redis
        self._line = Line(lambda: ports.session(agent, settings, fmt), fmt)
        self.talk = Talk(
            manner_of(agent, settings, prices.day_of(ports.wall_ms())),
            fmt,
            stream=stream,
            line=self._line,
            clerk=self._clerk,
            age_ms=max(0, ports.wall_ms() - start.started_at_ms),
        )

    def leave(self) -> None:
        """The worker can keep it no longer."""
        self.talk.receive(told.MustLeave())

    async def live(self) -> None:
        start = self.start
        facts = {"agent": start.agent, "org": start.org, "leg": start.leg.value}
        with (
            telemetry.bind_call(start.call_id),
            telemetry.span("call", parent=start.traceparent, **facts) as span,
        ):
            try:
                await self._begin()
                await self._talk()
            finally:
                await self._finish(facts)
            span.set(end_reason=str(self.talk.reason), fenced=self.talk.fenced)

    async def _begin(self) -> None:
        """Slot, journal, route; whatever cannot be had ends the call before it begins."""
        loop = asyncio.get_running_loop()
        taken_at = loop.time()
        try:
            self._lease = await self._ports.leases.adopt(self.start, self.talk.fence)
            written = await self._clerk.open(self._lease.token)
            self.talk.purse.take(spent_before(written))
            await self._settle()
            metrics.call_begun(loop.time() - taken_at)
        except AtCapacity:
            self.talk.hang_up(EndReason.NO_SLOT)
        except GIVEN_UP:
            self.talk.fence()
        except StoreFault as fault:
            self._unregistered = self._lease is not None or self._ports.leases.shares(self.start)
            log.warning("Redis is away", begun=self._unregistered, why=str(fault))
            if not self._unregistered:
                self.talk.hang_up(EndReason.NO_SLOT)

    async def _register(self) -> None:
        """Slot, journal and route of a call that goes on already. Raises what journals raise."""
        while True:
            try:
                if self._lease is None:
                    self._lease = await self._ports.leases.adopt(
                        self.start, self.talk.fence, live=True
                    )
                await self._clerk.open(self._lease.token)
                await self._settle()
                return
            except StoreFault:
                await asyncio.sleep(REGISTER_AGAIN_S)

    async def _settle(self) -> None:
        """The route says so too; without Redis the worker's next announcement will."""
        try:
            if not await self._ports.routes.settle(self.start.call_id, self._ports.worker_id):
                self.talk.fence()
        except StoreFault as fault:
            log.warning("route not settled", why=str(fault))

    async def _talk(self) -> None:
        if self.talk.over.is_set():
            return
        async with asyncio.TaskGroup() as tasks:
            line = tasks.create_task(self._line.live(self.talk.receive))
            writing = tasks.create_task(self._write_journal())
            await self.talk.over.wait()
            self._clerk.no_more()
            if not self._clerk.has_journal:
                writing.cancel()  # the caller is not to wait for Redis
            await self._line.close()
            line.cancel()

    async def _write_journal(self) -> None:
        try:
            if self._unregistered:
                await self._register()
            await self._clerk.write()
        except GIVEN_UP:
            self.talk.fence()

    # The end -------------------------------------------------------------------------------------

    async def _finish(self, facts: dict[str, str]) -> None:
        await self._line.close()
        self._ports.leases.forget(self.start, self._lease)
        if not self.talk.fenced:
            await self._end(self.talk.reason or EndReason.INTERNAL_ERROR)
        if self.talk.fenced:
            self._stream.close(GIVEN_AWAY)
        self._tell(facts)

    async def _end(self, reason: EndReason) -> None:
        if self._unregistered and not self._clerk.has_journal:
            self._stream.close(reason)
            await self._register_at_last()
        if self.talk.fenced:
            return
        if self._lease is not None and self._clerk.has_journal:
            await self._write_end(self._lease, reason)
        else:
            await self._let_go(self._lease)
            self._stream.close(reason)

    async def _register_at_last(self) -> None:
        """The call is over before Redis was back: written down all the same, when it is."""
        try:
            async with asyncio.timeout(REGISTER_LIMIT_S):
                await self._register()
                await self._clerk.write()
        except GIVEN_UP:
            self.talk.fenced = True
        except TimeoutError:
            log.error("call not recorded: Redis stayed away")
        self._ports.leases.forget(self.start, self._lease)

    async def _write_end(self, lease: Lease, reason: EndReason) -> None:
        end = CallEnd(
            reason=reason,
            ended_at_ms=self.start.started_at_ms + self.talk.now_ms,
            usage=of_models(self.talk.purse.usage, self._model, self._transcriber),
            cost_micro_usd=self.talk.purse.spent_micro_usd,
            price_version=prices.VERSION,
            answers=self.talk.report.answers,
            answer_ms_median=self.talk.report.answer_ms_median,
            answer_ms_slowest=self.talk.report.answer_ms_slowest,
        )
        for _ in range(END_TRIES):
            try:
                await self._clerk.end(end, lease)
                break
            except GIVEN_UP:
                self.talk.fenced = True
                return
            except StoreFault as fault:
                log.warning("the call's end waits", why=str(fault))
                self._stream.close(reason)
                await asyncio.sleep(END_AGAIN_S)
        self._stream.close(reason)
        await self._ports.trigger.finished(self.start.call_id)

    async def _let_go(self, lease: Lease | None) -> None:
        """Without a journal there is nothing to end, only slot and route to give back."""
        if lease is not None:
            await self._ports.leases.release(lease)
        try:
            await self._ports.routes.drop(self.start.call_id, self._ports.worker_id)
        except StoreFault as fault:
            log.warning("route left to lapse", why=str(fault))

    def _tell(self, facts: dict[str, str]) -> None:
        """The one line that says what the call was."""
        talk = self.talk
        reason = talk.reason or EndReason.INTERNAL_ERROR
        if talk.fenced:
            metrics.call_fenced()
            log.info("call given away", **facts)
            return
        metrics.call_ended(reason, talk.now_ms / 1000, talk.purse.usage)
        metrics.call_paid(talk.purse.spent_micro_usd)
        log.info(
            "call ended",
            reason=reason.value,
            duration_s=round(talk.now_ms / 1000, 3),
            session_id=self._line.id,
            model=self._model,
            **facts,
            cost_micro_usd=talk.purse.spent_micro_usd,
            **talk.report.facts(talk.purse.usage),
        )
