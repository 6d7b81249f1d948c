"""What a worker tells of its calls, and the verbs that say it.

Nothing here is touched per frame: sound is counted in plain integers by the calls and taken from
them once a second.
"""

from collections.abc import Callable
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from callfleet.calls import EndReason
from callfleet.journal_entries import Usage
from services.worker.usage import tokens_by_kind

_ANSWER_BUCKETS: Final = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0)
_OWN_BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05)

_LIVE = Gauge("callfleet_worker_calls_live", "Calls this worker holds now.")
_CAPACITY = Gauge("callfleet_worker_calls_capacity", "Calls it would hold at most.")
_TAKEN = Counter("callfleet_worker_calls_taken", "Calls it accepted.")
_REFUSED = Counter("callfleet_worker_calls_refused", "Calls it did not accept.", ["why"])
_ENDED = Counter("callfleet_worker_calls_ended", "Calls that ended.", ["reason"])
_DURATION = Histogram(
    "callfleet_worker_call_duration_seconds",
    "How long calls lasted.",
    buckets=(5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600),
)
_ANSWER_API = Histogram(
    "callfleet_worker_answer_api_seconds",
    "End of the caller's speech to the first sound of the answer, as it came from the API.",
    buckets=_ANSWER_BUCKETS,
)
_ANSWER_OWN = Histogram(
    "callfleet_worker_answer_own_seconds",
    "What the worker added to that: first sound received to first sound handed to the link.",
    buckets=_OWN_BUCKETS,
)
_BEGIN = Histogram(
    "callfleet_worker_call_begin_seconds",
    "Call taken to session asked for: slot adopted, journal opened, route settled.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 5.0),
)
_SESSION_READY = Histogram(
    "callfleet_worker_session_ready_seconds",
    "Session asked for to session configured.",
    buckets=_ANSWER_BUCKETS,
)
_INTERRUPTIONS = Counter("callfleet_worker_interruptions", "Times a caller spoke over an agent.")
_SESSION_FAILURES = Counter(
    "callfleet_worker_session_failures", "Sessions that failed.", ["failure"]
)
_ROTATED = Counter(
    "callfleet_worker_sessions_rotated", "Sessions changed for a new one before their end."
)
_REOPENED = Counter(
    "callfleet_worker_sessions_reopened", "Sessions opened in place of one that was lost."
)
_FILLERS = Counter(
    "callfleet_worker_fillers", "Times a caller had to be asked for a moment's patience."
)
_SESSION_ERRORS = Counter(
    "callfleet_worker_session_errors", "Error events of the API.", ["trouble"]
)
_RETRIES = Counter("callfleet_worker_answers_retried", "Answers that had to be asked for again.")
_UNKNOWN = Counter(
    "callfleet_worker_session_events_unknown", "Events of the API that no one here knows."
)
_AUDIO = Counter("callfleet_worker_audio_bytes", "Sound that passed, by who made it.", ["side"])
_AUDIO_LOST = Counter(
    "callfleet_worker_audio_dropped_bytes",
    "The caller's sound that was not sent to the API, by reason.",
    ["why"],
)
_LINKS_LOST = Counter("callfleet_worker_legs_lost", "Calls whose link broke under them.")
_FENCED = Counter("callfleet_worker_calls_fenced", "Calls somebody else had taken over.")
_TOKENS = Counter("callfleet_worker_tokens", "Tokens the API counted.", ["kind"])
_COST = Counter("callfleet_worker_sessions_cost_usd", "What ended calls have cost at the API.")
_UNPRICED = Counter(
    "callfleet_worker_calls_unpriced", "Calls of models whose price is not known: not in the cost."
)
_SOUND = Counter(
    "callfleet_worker_sound_troubles",
    "Times something was wrong with a caller's sound: faint, clipped, noise, nothing.",
    ["trouble"],
)
_CHANGES_REFUSED = Counter(
    "callfleet_worker_session_changes_refused", "Changes of settings that a session did not take."
)
_JOURNAL_REFUSED = Counter(
    "callfleet_worker_journal_entries_refused", "Entries dropped because too many waited."
)
_HEARTBEATS_MISSED = Counter(
    "callfleet_worker_heartbeats_missed", "Renewals of slots that Redis did not answer."
)

_HEARTBEAT_AGE = Gauge(
    "callfleet_worker_slot_heartbeat_age_seconds",
    "Since Redis last answered this worker's renewal of its slots; past their TTL they lapse.",
    ["org"],
)
_SCRIPTS = Histogram(
    "callfleet_worker_slot_script_seconds",
    "A question to the semaphore, there and back.",
    ["script"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0),
)
_UNLEASED = Gauge(
    "callfleet_worker_calls_unleased",
    "Calls that go on without a slot in Redis, until it is back and they are registered again.",
    ["org"],
)
_SLOTS_LOST = Counter("callfleet_worker_slots_lost", "Slots somebody else had taken over.")
_SLOTS_REASSERTED = Counter(
    "callfleet_worker_slots_reasserted",
    "Slots Redis had forgotten or let lapse, registered again by their living holder.",
)
_WITHOUT_REDIS = Counter(
    "callfleet_worker_redis_down_admissions",
    "New calls taken while Redis was away, by the org's policy.",
    ["policy"],
)
_ACCOUNT_REFUSED = Counter(
    "callfleet_worker_account_refusals",
    "Sessions and responses the API refused because of the org's account.",
    ["why"],
)

_audio_from_caller = _AUDIO.labels("caller")
_audio_from_agent = _AUDIO.labels("agent")


def capacity(calls: int) -> None:
    _CAPACITY.set(calls)


def call_taken(live: int) -> None:
    _TAKEN.inc()
    _LIVE.set(live)


def call_refused(why: str) -> None:
    """`why` is "full", "draining" or "unknown_agent"."""
    _REFUSED.labels(why).inc()


def call_ended(reason: EndReason, duration_s: float, usage: Usage) -> None:
    _ENDED.labels(reason.value).inc()
    _DURATION.observe(duration_s)
    for kind, count in tokens_by_kind(usage).items():
        _TOKENS.labels(kind).inc(count)


def call_paid(micro_usd: int | None) -> None:
    if micro_usd is None:
        _UNPRICED.inc()
    else:
        _COST.inc(micro_usd / 1_000_000)


def sound_trouble(trouble: str) -> None:
    """`trouble` is a `dialogue.Sound`."""
    _SOUND.labels(trouble).inc()


def change_refused() -> None:
    _CHANGES_REFUSED.inc()


def call_gone(live: int) -> None:
    _LIVE.set(live)


def call_begun(after_s: float) -> None:
    _BEGIN.observe(after_s)


def session_ready(after_s: float) -> None:
    _SESSION_READY.observe(after_s)


def answered(api_s: float, own_s: float) -> None:
    _ANSWER_API.observe(api_s)
    _ANSWER_OWN.observe(own_s)


def interrupted() -> None:
    _INTERRUPTIONS.inc()


def session_failed(failure: str) -> None:
    """`failure` is a `dialogue.Failure`."""
    _SESSION_FAILURES.labels(failure).inc()


def session_rotated() -> None:
    _ROTATED.inc()


def session_reopened() -> None:
    _REOPENED.inc()


def filler_played() -> None:
    _FILLERS.inc()


def session_error(trouble: str) -> None:
    """`trouble` is a `realtime_errors.Trouble`."""
    _SESSION_ERRORS.labels(trouble).inc()


def answer_retried() -> None:
    _RETRIES.inc()


def unknown_event() -> None:
    _UNKNOWN.inc()


def audio_passed(from_caller: int, from_agent: int) -> None:
    _audio_from_caller.inc(from_caller)
    _audio_from_agent.inc(from_agent)


def audio_dropped(why: str, size: int) -> None:
    """`why` is "early" (no session yet) or "slow" (the session does not take it)."""
    _AUDIO_LOST.labels(why).inc(size)


def leg_lost() -> None:
    _LINKS_LOST.inc()


def call_fenced() -> None:
    _FENCED.inc()


def journal_refused() -> None:
    _JOURNAL_REFUSED.inc()


def heartbeat_missed() -> None:
    _HEARTBEATS_MISSED.inc()


def watch_heartbeat(org: str, age_s: Callable[[], float]) -> None:
    """Asked when somebody looks."""
    _HEARTBEAT_AGE.labels(org).set_function(age_s)


def watch_unleased(org: str, count: Callable[[], float]) -> None:
    _UNLEASED.labels(org).set_function(count)


def slot_script(name: str, took_s: float) -> None:
    """`name` is a script of `callfleet.slots`."""
    _SCRIPTS.labels(name).observe(took_s)


def slot_lost() -> None:
    _SLOTS_LOST.inc()


def slots_reasserted(count: int) -> None:
    _SLOTS_REASSERTED.inc(count)


def admitted_without_redis(policy: str) -> None:
    """`policy` is an org's `redis_away`."""
    _WITHOUT_REDIS.labels(policy).inc()


def account_refused(why: str) -> None:
    """`why` is a `slots_terms.Refusal`, or the code of a `realtime_errors.KeyRefused`."""
    _ACCOUNT_REFUSED.labels(why).inc()
