"""What the gateway counts, as verbs; labels from closed sets, children made once."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from callfleet.calls import EndReason
from callfleet.link_dialler import LinkDialler


class Asked(StrEnum):
    """Which webhook."""

    VOICE = "voice"
    AFTER = "after"
    STATUS = "status"


class Answered(StrEnum):
    """What a webhook came to."""

    ADMITTED = "admitted"
    QUEUED = "queued"
    FULL = "full"
    BLIND = "blind"  # Redis is away, and the org lets its callers in all the same
    UNKNOWN_NUMBER = "unknown_number"
    STORE_AWAY = "store_away"
    FORGED = "forged"
    MALFORMED = "malformed"
    HANG_UP = "hang_up"
    OVERFLOW = "overflow"
    APOLOGISE = "apologise"
    NOTED = "noted"


class Refused(StrEnum):
    """Why a media socket was not let in."""

    FORGED = "forged"
    TOKEN = "token"  # noqa: S105 # none of ours, or too late


class Waited(StrEnum):
    """How a wait for a slot ended."""

    GRANTED = "granted"
    GAVE_UP = "gave_up"  # the longest wait was over
    HUNG_UP = "hung_up"
    OVERFLOW = "overflow"  # there was nothing to wait for any more


class Misplaced(StrEnum):
    """Why a call went to another worker than the roster first said."""

    REFUSED = "refused"
    UNREACHABLE = "unreachable"


_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_WAIT_SECONDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)

_legs = Gauge("callfleet_gateway_legs_live", "Media sockets of callers that are up.")
_calls = Counter("callfleet_gateway_calls", "Legs that ended, by how the call ended.", ["reason"])
_offences = Counter("callfleet_gateway_legs_refused", "Legs closed for what they sent.", ["why"])
_doors = Counter("callfleet_gateway_sockets_refused", "Media sockets never let in.", ["why"])
_webhooks = Counter("callfleet_gateway_webhooks", "Webhooks by answer.", ["webhook", "answer"])
_webhook_s = Histogram(
    "callfleet_gateway_webhook_seconds", "Time to answer.", ["webhook"], buckets=_SECONDS
)
_placement_s = Histogram(
    "callfleet_gateway_placement_seconds",
    "From the leg's start to a worker that has taken the call.",
    buckets=_SECONDS,
)
_misplaced = Counter(
    "callfleet_gateway_placements_failed", "Workers that did not take a call.", ["why"]
)

_waiting = Gauge("callfleet_gateway_calls_waiting", "Callers who hear the hold sound.", ["org"])
_wait_s = Histogram(
    "callfleet_gateway_wait_seconds",
    "How long callers were held who found no free slot, by how that ended.",
    ["outcome"],
    buckets=_WAIT_SECONDS,
)
_announcements = Counter("callfleet_gateway_announcements", "Places in line that were spoken.")
_unrecorded = Gauge(
    "callfleet_gateway_calls_unrecorded", "Ended calls that Redis has not been told of yet."
)

_WAITS: Final = {outcome: _wait_s.labels(outcome.value) for outcome in Waited}
_CALLS: Final = {reason: _calls.labels(reason.value) for reason in EndReason}


def leg_opened() -> None:
    _legs.inc()


def leg_closed(reason: EndReason) -> None:
    _legs.dec()
    _CALLS[reason].inc()


def leg_refused(why: StrEnum) -> None:
    """For a carrier's Offence."""
    _offences.labels(why.value).inc()


def socket_refused(why: Refused) -> None:
    _doors.labels(why.value).inc()


def webhook_answered(webhook: Asked, answer: Answered, seconds: float) -> None:
    _webhooks.labels(webhook.value, answer.value).inc()
    _webhook_s.labels(webhook.value).observe(seconds)


def call_placed(seconds: float) -> None:
    _placement_s.observe(seconds)


def call_misplaced(why: Misplaced) -> None:
    _misplaced.labels(why.value).inc()


def wait_began(org: str) -> None:
    """Orgs are those of the file: a closed set."""
    _waiting.labels(org).inc()


def wait_ended(org: str, outcome: Waited, seconds: float, announced: int) -> None:
    _waiting.labels(org).dec()
    _WAITS[outcome].observe(seconds)
    _announcements.inc(announced)


def calls_unrecorded(count: int) -> None:
    _unrecorded.set(count)


class LinkCounts(Collector):
    """The links' own plain integers, read when somebody asks: nothing is paid per frame."""

    def __init__(self) -> None:
        self._diallers: set[LinkDialler] = set()

    def watch(self, dialler: LinkDialler) -> None:
        self._diallers.add(dialler)

    def forget(self, dialler: LinkDialler) -> None:
        self._diallers.discard(dialler)

    def collect(self) -> Iterator[Metric]:
        count = self._count
        yield _one("link_audio_dropped_frames", "Too late to send.", count("audio_dropped"))
        yield _one("link_frames_ignored", "Late or unknown frames.", count("frames_ignored"))
        yield _one("link_streams_expelled", "Closed by us alone.", count("streams_expelled"))
        yield _one("links_lost", "Links lost with calls on them.", count("connections_lost"))
        yield _both("link_frames", "By direction.", count("frames_in"), count("frames_out"))
        yield _both("link_messages", "By direction.", count("messages_in"), count("messages_out"))
        live = sum(dialler.connections for dialler in self._diallers)
        yield GaugeMetricFamily("callfleet_gateway_links_live", "Workers connected.", live)

    def _count(self, name: str) -> int:
        return sum(getattr(dialler.totals, name) for dialler in self._diallers)


def _one(name: str, help: str, value: int) -> Metric:
    return CounterMetricFamily(f"callfleet_gateway_{name}", help, value)


def _both(name: str, help: str, came: int, went: int) -> Metric:
    family = CounterMetricFamily(f"callfleet_gateway_{name}", help, labels=["direction"])
    family.add_metric(["in"], came)
    family.add_metric(["out"], went)
    return family


links: Final = LinkCounts()
REGISTRY.register(links)
