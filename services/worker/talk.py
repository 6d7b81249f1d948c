"""Performs a conversation: its events come from leg, session and timers, its orders go there.

Everything happens in the turn of the event loop in which it was heard of: a barge-in empties the
carrier's buffer before anything else runs. Only the caller's sound goes past the conversation,
straight to the session. A failure in here ends this call and no other: these callbacks are called
from the link's reader, which all calls of a gateway share.
"""

import asyncio

from callfleet import telemetry
from callfleet.audio import AudioFormat
from callfleet.calls import EndReason
from callfleet.journal_entries import Entry, Turn
from callfleet.link import GIVEN_AWAY, Clear, Mark
from services.worker import changes, hearing, metrics
from services.worker import dialogue as told
from services.worker.clerk import Clerk
from services.worker.conversation import Conversation
from services.worker.dialogue import Command, Event, Manner, Timer
from services.worker.ear import Ear
from services.worker.line import Line
from services.worker.ports import Stream
from services.worker.recordings import apology, filler
from services.worker.report import Report
from services.worker.scene import Recordings
from services.worker.spending import Purse

log = telemetry.logger(__name__)


class Talk:
    """A `StreamReceiver`; over when `over` is set, for `reason`, or because it was fenced."""

    def __init__(
        self,
        manner: Manner,
        fmt: AudioFormat,
        *,
        stream: Stream,
        line: Line,
        clerk: Clerk,
        age_ms: int,
    ) -> None:
        self.report = Report()
        self.reason: EndReason | None = None
        self.fenced = False
        self.over = asyncio.Event()
        recordings = Recordings(apology(fmt), filler(fmt))
        self._conversation = Conversation(manner, fmt=fmt, recordings=recordings)
        self._stream = stream
        self._line = line
        self._clerk = clerk
        self._loop = asyncio.get_running_loop()
        self._started_at = self._loop.time() - age_ms / 1000
        self._timers: dict[Timer, asyncio.TimerHandle] = {}
        listens = manner.watched or manner.pause_ms is not None
        self._ear = Ear(fmt, pause_ms=manner.pause_ms) if listens else None
        self._unsampled = 0 if self._ear is None else self._ear.every  # frames; 0: none ever

    @property
    def purse(self) -> Purse:
        return self._conversation.purse

    @property
    def now_ms(self) -> int:
        """Since the call started, wherever it was then."""
        return int((self._loop.time() - self._started_at) * 1000)

    # What the leg brings -------------------------------------------------------------------------

    def on_audio(self, audio: bytes) -> None:
        self.report.from_caller += len(audio)
        self._line.append(audio)
        self._unsampled -= 1
        if not self._unsampled:
            self._listen(audio)

    def _listen(self, audio: bytes) -> None:
        assert self._ear is not None
        self._unsampled = self._ear.every
        if (fact := self._ear.hear(audio)) is not None:
            self.receive(fact)

    def look(self) -> None:
        """About once a second: does anything arrive at all?"""
        if self._ear is None:
            return
        if (fact := self._ear.count(self.report.from_caller, self.now_ms)) is not None:
            self.receive(fact)

    def on_mark(self, name: str) -> None:
        self.receive(told.Heard(name))

    def on_clear(self) -> None:
        """Gateways do not say this."""

    def on_dtmf(self, digit: str) -> None:
        self.receive(told.CallerPressed(digit))

    def on_close(self, reason: EndReason) -> None:
        if reason is GIVEN_AWAY:
            self.fence()
        else:
            self.receive(told.CallerHungUp(reason))

    def on_lost(self) -> None:
        metrics.leg_lost()
        self.receive(told.CallerHungUp(EndReason.LEG_LOST))

    # What the worker brings ----------------------------------------------------------------------

    def fence(self) -> None:
        """Somebody else has this call: nothing is done or written any more."""
        if not self.over.is_set():
            self.fenced = True
            self._end()

    def hang_up(self, reason: EndReason) -> None:
        """It ends here; the first to say so is believed."""
        if not self.over.is_set():
            self.reason = reason
            self._end()

    def _end(self) -> None:
        for running in self._timers.values():
            running.cancel()
        self._timers.clear()
        self.over.set()

    # The conversation ----------------------------------------------------------------------------

    def receive(self, event: Event) -> None:
        """Tell the conversation, and do what it says: up to a hundred times a second."""
        if self.over.is_set():
            return
        began = self._loop.time()
        now_ms = int((began - self._started_at) * 1000)
        try:
            orders = self._conversation.receive(event, now_ms)
            for order in orders:
                if type(order) is told.Play:
                    self.report.from_agent += len(order.audio)
                    self._stream.send_audio(order.audio)
                else:
                    self._perform(order)
        except Exception:
            log.exception("the conversation failed", event_type=type(event).__name__)
            self.hang_up(EndReason.INTERNAL_ERROR)
        if self.report.answer is not None:
            self._measure(self.report.answer, self._loop.time() - began, now_ms)

    def _measure(self, answer: told.Answered, own_s: float, now_ms: int) -> None:
        metrics.answered(answer.after_ms / 1000, own_s)
        self._clerk.note(self.report.measured(answer, own_s, now_ms))

    def _perform(self, order: Command) -> None:
        match order:
            case told.PlaceMark(name):
                self._stream.send(Mark(name))
            case told.StopPlayback():
                self._stream.send(Clear())
            case told.Record(entry):
                self._record(entry)
            case told.StartTimer(timer, after_ms):
                self._start_timer(timer, after_ms)
            case told.StopTimer(timer):
                self._stop_timer(timer)
            case told.Answered():
                self.report.answered(order)
            case told.Interrupted():
                self.report.interruptions += 1
                metrics.interrupted()
            case told.HangUp(reason):
                self.hang_up(reason)
            case _:
                assert not isinstance(order, told.Play)
                self._line.perform(order)

    def _record(self, entry: Entry) -> None:
        if isinstance(entry, Turn):
            self.report.turns += 1
        elif entry.kind == "filler":
            metrics.filler_played()
        elif entry.kind == hearing.TROUBLE:
            metrics.sound_trouble(str(entry.data["trouble"]))
        elif entry.kind == changes.REFUSED:
            metrics.change_refused()
        self._clerk.note(entry)

    def _start_timer(self, timer: Timer, after_ms: int) -> None:
        self._stop_timer(timer)
        if timer is Timer.ASK_AGAIN:
            metrics.answer_retried()
        fired = told.TimerFired(timer)
        self._timers[timer] = self._loop.call_later(after_ms / 1000, self.receive, fired)

    def _stop_timer(self, timer: Timer) -> None:
        running = self._timers.pop(timer, None)
        if running is not None:
            running.cancel()
