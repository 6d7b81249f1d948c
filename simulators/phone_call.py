"""One phone call: asks the application what to do and does it, verb by verb, as Twilio would.

Three things can cut a verb short: the caller puts the phone down, the application changes the call
over REST, or the verb ends by itself. Whichever comes first decides; the order of webhooks, errors
and callbacks that follows is Twilio's.
"""

import asyncio
from email.utils import formatdate
from typing import Any

import msgspec

from simulators.phone_caller import Caller
from simulators.phone_faults import Faults
from simulators.phone_handset import Handset
from simulators.phone_report import CallReport, EndedBy, Problem
from simulators.phone_scripts import Script
from simulators.phone_switchboard import CallOver, Located, Switchboard
from simulators.phone_twiml import Reject, TwimlError, Verb, read_document
from simulators.phone_verbs import perform
from simulators.phone_web import Answer, FetchFailed, Form, logged

APOLOGY = "We are sorry, an application error has occurred. Goodbye."
_MAX_DOCUMENTS = 200  # a redirect loop ends somewhere


class Call:
    """One call from the first webhook to the last callback; its report grows meanwhile."""

    def __init__(
        self, board: Switchboard, report: CallReport, script: Script, faults: Faults
    ) -> None:
        self.board, self.report, self.faults = board, report, faults
        self.caller = Caller(script, report)
        self.streamed = self.dialled = False
        self.handset: Handset | None = None
        self._answered_ms: int | None = None
        self.is_over = False
        self._orders: asyncio.Queue[Located | CallOver] = asyncio.Queue(maxsize=8)
        self._callbacks: set[asyncio.Task[None]] = set()

    # What the verbs need.

    def now_ms(self) -> int:
        """Milliseconds since the answer."""
        if self._answered_ms is None:
            return 0
        return self.board.clock.now_ms() - self._answered_ms

    def problem(self, code: int, text: str, *, violation: bool = False) -> None:
        self.report.errors.append(Problem(code, text, self.now_ms()))
        if violation:
            self.report.violations.append(f"{code} {text}")

    def form(self, *more: tuple[str, str]) -> Form:
        report = self.report
        return [
            ("AccountSid", self.board.account_sid),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", report.call_sid),
            ("CallStatus", report.status),
            ("Called", report.called),
            ("Caller", report.caller),
            ("Direction", "inbound"),
            ("From", report.caller),
            ("To", report.called),
            *more,
        ]

    async def ask(
        self, purpose: str, method: str, url: str, form: Form, token: str | None = None
    ) -> Located:
        """A document for the call; raises `FetchFailed` or `TwimlError`."""
        answer = await self._request(purpose, method, url, form, token)
        document = read_document(answer.body, answer.content_type)
        self.report.violations.extend(document.warnings)
        return Located(document, answer.url)

    async def _request(
        self, purpose: str, method: str, url: str, form: Form, token: str | None = None
    ) -> Answer:
        began_ms, at_ms = self.board.clock.now_ms(), self.now_ms()
        outcome: Answer | FetchFailed
        try:
            outcome = await self.board.web.fetch(method, url, form, token=token)
        except FetchFailed as failure:
            outcome = failure
        took_ms = self.board.clock.now_ms() - began_ms
        entry = logged(purpose, method, url, outcome)
        self.report.twiml_log.append(msgspec.structs.replace(entry, at_ms=at_ms, took_ms=took_ms))
        if isinstance(outcome, FetchFailed):
            raise outcome
        if outcome.status >= 400:
            raise FetchFailed(11200, f"HTTP {outcome.status} from {url}")
        return outcome

    def tell(self, purpose: str, method: str, url: str, form: Form) -> None:
        """A callback whose answer does not matter; awaited before the call is over."""
        task = asyncio.create_task(self._tell(purpose, method, url, form))
        self._callbacks.add(task)
        task.add_done_callback(self._callbacks.discard)

    async def _tell(self, purpose: str, method: str, url: str, form: Form) -> None:
        try:
            await self._request(purpose, method, url, form)
        except FetchFailed as failure:
            self.problem(failure.code, f"{purpose}: {failure}")

    def order(self, order: Located | CallOver) -> bool:
        """Change the running call from outside; False if too much is waiting already."""
        try:
            self._orders.put_nowait(order)
        except asyncio.QueueFull:
            return False
        return True

    # The life of the call.

    async def run(self) -> CallReport:
        report = self.report
        try:
            located: Located | None = await self._ring()
            for _ in range(_MAX_DOCUMENTS):
                if located is None:
                    break
                located = await self._follow(located)
            else:
                raise CallOver("application_error")
            report.ended_by = self._ran_out()
        except CallOver as over:
            report.ended_by = over.ended_by
        finally:
            await self._finish()
        return report

    def _ran_out(self) -> EndedBy:
        if self.dialled:
            return "dialled"
        return "stream_ended" if self.streamed else "twiml_ended"

    async def _ring(self) -> Located | None:
        number, form = self.board.number, self.form(*_GEOGRAPHY)
        token = "forged" if self.faults.find("forged_webhook") else None
        if self.faults.find("duplicate_webhook"):
            self.tell("voice (duplicate)", "POST", number.voice_url, form)
        return await self.document("voice", "POST", number.voice_url, form, token)

    async def document(
        self, purpose: str, method: str, url: str, form: Form, token: str | None = None
    ) -> Located | None:
        """Ask for a document; on an error the fallback URL, then the apology and the end."""
        try:
            return await self.ask(purpose, method, url, form, token)
        except (FetchFailed, TwimlError) as error:
            self.problem(error.code, str(error))
            fallback = self.board.number.fallback_url
            failed = [("ErrorCode", str(error.code)), ("ErrorUrl", url)]
        if fallback and purpose != "fallback":
            return await self.document("fallback", "POST", fallback, self.form(*failed))
        self._answer()
        self.report.spoken_by_twiml.append(APOLOGY)
        raise CallOver("application_error")

    async def _follow(self, located: Located) -> Located | None:
        """Perform a document; returns the one that replaces it, or None at its end."""
        for number, verb in enumerate(located.document.verbs):
            if isinstance(verb, Reject):
                self._reject(verb, first=number == 0)
            self._answer()
            replaced = await self._until_cut(verb, located)
            if replaced is not None:
                return replaced
        return None if self._orders.empty() else _obeyed(self._orders.get_nowait())

    def _reject(self, verb: Reject, *, first: bool) -> None:
        if self._answered_ms is not None or not first:
            raise CallOver("twiml_hangup")
        self.report.status = "busy" if verb.reason == "busy" else "no-answer"
        raise CallOver("busy" if verb.reason == "busy" else "rejected")

    def _answer(self) -> None:
        if self._answered_ms is None:
            self._answered_ms = self.board.clock.now_ms()
            self.report.status = "in-progress"
            self.handset = Handset(self.caller, self._answered_ms)
            self.board.ticker.join(self.handset)

    async def _until_cut(self, verb: Verb, located: Located) -> Located | None:
        assert self.handset is not None, "an unanswered call performs nothing"
        performing = asyncio.create_task(perform(self, verb, located.url))
        put_down = asyncio.create_task(self.handset.put_down.wait())
        ordered = asyncio.create_task(self._orders.get())
        tasks: list[asyncio.Task[Any]] = [performing, put_down, ordered]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not performing.done():
                performing.cancel()
                await asyncio.wait([performing])
            if put_down.done() and (performing.cancelled() or performing.exception() is None):
                raise CallOver(self.caller.hung_up or "caller_hung_up")
            return _obeyed(ordered.result()) if ordered.done() else performing.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _finish(self) -> None:
        report, number = self.report, self.board.number
        self.is_over = True
        self.caller.finish()
        if self.handset is not None:
            self.board.ticker.leave(self.handset)
        duration_ms = self.now_ms()
        report.duration_s = duration_ms / 1000
        if report.status == "in-progress":
            report.status = "completed"
        first = [log for log in report.streams if log.first_audio_ms is not None]
        report.first_audio_ms = first[0].first_audio_ms if first else None
        if number.status_url:
            seconds = -(-duration_ms // 1000)
            more = [
                ("CallDuration", str(seconds)),
                ("Duration", str(-(-seconds // 60))),
                ("Timestamp", formatdate(usegmt=False)),
                ("CallbackSource", "call-progress-events"),
                ("SequenceNumber", "0"),
            ]
            self.tell("status", "POST", number.status_url, self.form(*more))
        while self._callbacks:
            await asyncio.gather(*self._callbacks)


def _obeyed(order: Located | CallOver) -> Located:
    if isinstance(order, CallOver):
        raise order
    return order


_GEOGRAPHY = tuple(
    (f"{who}{what}", "US" if what == "Country" else "")
    for who in ("Called", "Caller", "From", "To")
    for what in ("City", "Country", "State", "Zip")
)
