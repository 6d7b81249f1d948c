"""What the analytics worker counts, by verbs; labels come from closed sets only."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from prometheus_client import Counter, Gauge, Histogram


class Job(StrEnum):
    """Kinds of work."""

    RECORD = "record"
    SCORE = "score"


class Outcome(StrEnum):
    """How a job ended."""

    DONE = "done"
    REPEATED = "repeated"  # somebody had done it before, or is at it: nothing to do
    NOT_SCORABLE = "not_scorable"
    FAILED = "failed"  # will be tried again
    DEAD = "dead"
    GIVEN_BACK = "given_back"  # we are leaving; somebody else will do it


OPEN_STATES: Final = ("finished", "recorded", "scoring", "dead")

_jobs = Counter("callfleet_analytics_jobs_total", "Jobs ended", ["kind", "outcome"])
_job_seconds = Histogram(
    "callfleet_analytics_job_seconds",
    "How long jobs took",
    ["kind"],
    buckets=(0.01, 0.05, 0.25, 1, 2.5, 5, 10, 30, 60, 90),
)
_open = Gauge("callfleet_analytics_open_calls", "Calls with work left, by state", ["state"])
_oldest = Gauge(
    "callfleet_analytics_open_oldest_seconds", "Since when the oldest of them waits", ["state"]
)
_scores = Counter("callfleet_analytics_scores_total", "Scores written, by mood", ["sentiment"])
_model_seconds = Histogram(
    "callfleet_analytics_model_seconds",
    "How long the scoring model took",
    ["outcome"],
    buckets=(0.25, 0.5, 1, 2, 4, 8, 15, 30, 60),
)
_tokens = Counter("callfleet_analytics_model_tokens_total", "Scoring tokens", ["direction"])
_cost = Counter("callfleet_analytics_model_cost_micro_usd_total", "What scoring has cost")
_fallbacks = Counter(
    "callfleet_analytics_model_fallbacks_total", "Calls scored by the successor: the model is gone"
)
_restarts = Counter(
    "callfleet_analytics_consumer_restarts_total", "Times the job consumer had to start again"
)
_untriggered = Counter(
    "callfleet_analytics_triggers_failed_total", "Jobs that could not be triggered", ["kind"]
)


def job_ended(kind: Job, outcome: Outcome, seconds: float) -> None:
    _jobs.labels(kind.value, outcome.value).inc()
    _job_seconds.labels(kind.value).observe(seconds)


def trigger_failed(kind: Job) -> None:
    _untriggered.labels(kind.value).inc()


def consumer_restarted() -> None:
    _restarts.inc()


def open_work_seen(states: Iterable[tuple[str, int, float]]) -> None:
    """All states of open work as (state, count, seconds since the oldest one's end)."""
    seen = {state: (count, age_s) for state, count, age_s in states}
    for state in OPEN_STATES:
        count, age_s = seen.get(state, (0, 0.0))
        _open.labels(state).set(count)
        _oldest.labels(state).set(max(0.0, age_s))


def score_written(sentiment: str, *, cost_micro_usd: int | None) -> None:
    _scores.labels(sentiment).inc()
    _cost.inc(cost_micro_usd or 0)


def tokens_used(*, prompt: int, answer: int) -> None:
    _tokens.labels("prompt").inc(prompt)
    _tokens.labels("answer").inc(answer)


def fell_back() -> None:
    _fallbacks.inc()


@contextmanager
def model_asked() -> Iterator[None]:
    """Times one question to the model."""
    started = time.monotonic()
    outcome = "failed"
    try:
        yield
        outcome = "answered"
    finally:
        _model_seconds.labels(outcome).observe(time.monotonic() - started)
