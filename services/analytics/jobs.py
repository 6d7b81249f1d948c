"""The two jobs: record a finished call, score a recorded one.

Each may run twice, at once, or be killed between any two steps, and the call is still recorded once
and scored once. `record` moves the journal into the database in one transaction and only then
lets the journal go. `score` claims the row, asks the model, and writes score and status together.
Nothing a job can meet is raised to its runner: the outcome is in the row, in a metric and in a log
line, and what can help is tried again after a wait that doubles.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from callfleet import telemetry
from callfleet.calls import CallId
from callfleet.encryption import KeyRing
from callfleet.errors import KeyMissing, ModelFault, ModelRefused, StoreFault
from callfleet.journal_entries import CallRecord
from services.analytics import metrics, rows, scoring
from services.analytics.limits import USUAL, Limits, chance_of_now, wait_s
from services.analytics.metrics import Job, Outcome
from services.analytics.model import Reply
from services.analytics.scoring import NotScorable, Score
from services.analytics.store import Claim, Store

GIVE_BACK_LIMIT_S: Final = 3.0
TROUBLED_MAX: Final = 10_000

log = telemetry.logger(__name__)


class Journals(Protocol):
    """What recording needs of `callfleet.journal.Journal`."""

    async def read(self, call_id: CallId) -> CallRecord | None: ...
    async def forget(self, call_id: CallId) -> bool: ...


class Model(Protocol):
    """What scoring needs of `services.analytics.model.ScoringModel`."""

    async def ask(self, question: scoring.Question) -> Reply: ...


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """What the configuration says of an agent that a call's row should say too."""

    vertical: str = ""
    analysed: bool = True


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class _Trouble:
    failures: int
    not_before_s: float


class Recorder:
    """Moves finished journals into the database."""

    def __init__(
        self,
        journals: Journals,
        store: Store,
        keys: KeyRing,
        *,
        secret: str,
        agents: Mapping[str, AgentFacts],
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._journals = journals
        self._store = store
        self._keys = keys
        self._secret = secret
        self._agents = agents
        self._clock_ms = clock_ms
        self._troubled: dict[CallId, _Trouble] = {}

    @property
    def troubled(self) -> int:
        """Calls whose journal could not be recorded so far: they stay at the list's head."""
        return len(self._troubled)

    def rests(self, call_id: CallId) -> bool:
        """Whether the last try failed too recently for another."""
        trouble = self._troubled.get(call_id)
        return trouble is not None and time.monotonic() < trouble.not_before_s

    async def record(self, call_id: CallId) -> Outcome:
        """Into the database, then out of Redis. Never raises; what failed is tried again."""
        try:
            outcome = await self._record(call_id)
        except StoreFault as fault:  # Redis or the database: every call has it, none is at fault
            log.warning("not recorded", call_id=call_id, why=telemetry.told(fault))
            return Outcome.FAILED
        except Exception as error:
            self._rest(call_id)
            telling = log.error if isinstance(error, KeyMissing) else log.exception
            telling("not recorded", call_id=call_id, why=telemetry.told(error))
            return Outcome.FAILED
        self._troubled.pop(call_id, None)
        return outcome

    async def _record(self, call_id: CallId) -> Outcome:
        record = await self._journals.read(call_id)
        if record is None:  # recorded before, or expired: off the list it goes
            await self._journals.forget(call_id)
            return Outcome.REPEATED
        if record.end is None:
            return Outcome.REPEATED  # a trigger that came too early; the list will name it
        facts = self._agents.get(record.start.agent, AgentFacts())
        with telemetry.span("record", parent=record.start.traceparent):
            call, turns, notes = rows.call_rows(
                record,
                self._keys,
                vertical=facts.vertical,
                secret=self._secret,
                now_ms=self._clock_ms(),
                score=facts.analysed,
            )
            new = await self._store.record(call, turns, notes)
            await self._journals.forget(call_id)
        if new:
            log.info("call recorded", call_id=call_id, agent=call["agent"], turns=call["turns"])
        return Outcome.DONE if new else Outcome.REPEATED

    def _rest(self, call_id: CallId) -> None:
        if len(self._troubled) >= TROUBLED_MAX:
            self._troubled.pop(next(iter(self._troubled)))
        known = self._troubled.pop(call_id, None)
        failures = (known.failures if known else 0) + 1
        pause_s = wait_s(failures, 5.0, hint_s=None, chance=chance_of_now())
        self._troubled[call_id] = _Trouble(failures, time.monotonic() + pause_s)


class Scorer:
    """Asks the model about recorded calls."""

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        model: Model,
        *,
        attempts_max: int,
        backoff_s: float,
        limits: Limits = USUAL,
        clock_ms: Callable[[], int] = now_ms,
        chance: Callable[[], float] = chance_of_now,
    ) -> None:
        self._store = store
        self._keys = keys
        self._model = model
        self._attempts_max = attempts_max
        self._backoff_s = backoff_s
        self._limits = limits
        self._clock_ms = clock_ms
        self.chance_of_now = chance

    async def score(self, call_id: CallId) -> Outcome:
        """Claim, ask, write. Raises only `CancelledError`, when it is we who are leaving."""
        try:
            claim = await self._store.claim(
                call_id,
                now_ms=self._clock_ms(),
                lease_ms=int(self._limits.lease_s * 1000),
                attempts_max=self._attempts_max,
            )
            if claim is None:
                return Outcome.REPEATED
            return await self._with(claim)
        except StoreFault as fault:  # the lease ends by itself
            log.warning("not scored", call_id=call_id, why=telemetry.told(fault))
            return Outcome.FAILED

    async def _with(self, claim: Claim) -> Outcome:
        try:
            with telemetry.span("score", parent=claim.traceparent):
                async with asyncio.timeout(self._limits.attempt_s):
                    verdict, row = await self._judge(claim)
                written = await self._store.finish(claim, row)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling() == 0:  # a library's doing, not ours
                return await self._failed(claim, RuntimeError("cancelled from within"))
            await self._give_back(claim)
            raise
        except Exception as error:
            return await self._failed(claim, error)
        if not written:
            return Outcome.REPEATED  # our lease had run out: somebody else's answer counts
        self._tell(claim, verdict, row["cost_micro_usd"])
        return Outcome.DONE if isinstance(verdict, Score) else Outcome.NOT_SCORABLE

    async def _judge(self, claim: Claim) -> tuple[Score | NotScorable, rows.Row]:
        if claim.wrapped_key is None:
            raise KeyMissing("the call's key was destroyed")
        key = self._keys.unwrap(claim.call_id, claim.wrapped_key)
        lines = rows.spoken_lines(await self._store.sealed_turns(claim.call_id), key)
        question = scoring.question(lines, agent=claim.agent, vertical=claim.vertical)
        verdict: Score | NotScorable
        reply = None
        if isinstance(question, NotScorable):
            verdict = question
        else:
            try:
                reply = await self._model.ask(question)
                verdict = scoring.read_answer(reply.text, len(lines))
            except ModelRefused:
                verdict = NotScorable("refused")
        return verdict, rows.score_row(verdict, key, reply=reply, now_ms=self._clock_ms())

    async def _failed(self, claim: Claim, error: Exception) -> Outcome:
        """Write down why, and when to try again; after the last attempt, that it is over."""
        why = telemetry.told(error)
        dead = claim.attempt >= self._attempts_max
        hint_s = error.retry_after_s if isinstance(error, ModelFault) else None
        pause_s = wait_s(claim.attempt, self._backoff_s, hint_s=hint_s, chance=self.chance_of_now())
        again_ms = None if dead else self._clock_ms() + int(pause_s * 1000)
        await self._store.fail(claim, why, next_try_at_ms=again_ms)
        telling = log.error if dead else log.warning
        telling(
            "scoring is given up" if dead else "scoring failed",
            call_id=claim.call_id,
            attempt=claim.attempt,
            why=why,
            again_s=None if dead else round(pause_s, 1),
        )
        return Outcome.DEAD if dead else Outcome.FAILED

    async def _give_back(self, claim: Claim) -> None:
        """While leaving: let another process begin at once. If it cannot, the lease ends anyway."""
        try:
            async with asyncio.timeout(GIVE_BACK_LIMIT_S):
                await self._store.give_back(claim, now_ms=self._clock_ms())
        except (StoreFault, TimeoutError) as fault:
            log.warning("claim not given back", call_id=claim.call_id, why=telemetry.told(fault))

    def _tell(self, claim: Claim, verdict: Score | NotScorable, cost: int | None) -> None:
        mood = verdict.sentiment if isinstance(verdict, Score) else "not_scorable"
        metrics.score_written(mood, cost_micro_usd=cost)
        waited_s = (self._clock_ms() - claim.ended_at_ms) / 1000
        log.info(
            "call scored",
            call_id=claim.call_id,
            agent=claim.agent,
            sentiment=mood,
            attempt=claim.attempt,
            after_s=round(waited_s, 1),
        )


async def counted(kind: Job, work: Awaitable[Outcome]) -> Outcome:
    """A job as it runs under a job runner: timed, counted, and never raising what it met."""
    started = time.monotonic()
    outcome = Outcome.FAILED
    try:
        outcome = await work
    except asyncio.CancelledError:
        outcome = Outcome.GIVEN_BACK
        raise
    except Exception as error:
        log.exception("job failed", job=kind.value, why=telemetry.told(error))
    finally:
        metrics.job_ended(kind, outcome, time.monotonic() - started)
    return outcome
