"""What every process tells of itself: who it is, how it is, whether its event loop keeps up."""

import asyncio
import platform
import time
from typing import Final

from prometheus_client import Gauge, Histogram, disable_created_metrics

# Half as many lines again, which nobody plots.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library's annotation is missing

_INFO = Gauge(
    "callfleet_process_info",
    "Always 1; who this process is.",
    ["service", "version", "python"],
)
_READY = Gauge("callfleet_process_ready", "1 while the process takes new work.")
_DRAINING = Gauge(
    "callfleet_process_draining", "1 while it finishes what it has and takes no more."
)
_DEPENDENCY = Gauge(
    "callfleet_process_dependency_up",
    "1 while the dependency answered its last check.",
    ["dependency"],
)
_LAG = Histogram(
    "callfleet_process_loop_lag_seconds",
    "How late the event loop ran a timer, ten times a second.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
)
_LAG_WORST = Gauge(
    "callfleet_process_loop_lag_worst_seconds", "The latest timer in the last five seconds."
)

_SAMPLE_S: Final = 0.1
_WINDOW_SAMPLES: Final = 50


def process_started(service: str, version: str) -> None:
    _INFO.labels(service, version, platform.python_version()).set(1)
    _READY.set(0)
    _DRAINING.set(0)


def process_ready(ready: bool) -> None:
    _READY.set(ready)


def process_draining() -> None:
    _READY.set(0)
    _DRAINING.set(1)


def dependency_answered(dependency: str, answered: bool) -> None:
    _DEPENDENCY.labels(dependency).set(answered)


async def watch_loop_lag() -> None:
    """Runs for the life of the process; costs ten timers a second."""
    recent: list[float] = []
    while True:
        asked = time.monotonic()
        await asyncio.sleep(_SAMPLE_S)
        lag_s = max(0.0, time.monotonic() - asked - _SAMPLE_S)
        _LAG.observe(lag_s)
        recent = [*recent[-_WINDOW_SAMPLES + 1 :], lag_s]
        _LAG_WORST.set(max(recent))
