"""One round: so many calls through one system for so many seconds, and what that cost.

The system under test lives on one core, callers and echo API on the other. A round warms up first,
then counts only what happened inside its window; CPU is what the scheduler says each process used.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass

from bench.callers import Call, Ticker
from bench.cpu import cpu_seconds, memory_mb

WARM_UP_S = 3.0


@dataclass(frozen=True)
class Result:
    """What one round measured. Milliseconds of CPU are per call and second."""

    system: str
    calls: int
    cpu_ms: dict[str, float]
    p50_ms: float
    p99_ms: float
    p999_ms: float
    lost: int
    reordered: int
    memory_mb: dict[str, float]
    harness_cpu: float  # share of its core: above 0.8 the harness itself is late

    @property
    def total_cpu_ms(self) -> float:
        return sum(self.cpu_ms.values())

    def as_json(self) -> dict[str, object]:
        return asdict(self) | {"total_cpu_ms": self.total_cpu_ms}


@dataclass(frozen=True)
class System:
    """Something that carries calls: how to open one, and whose CPU counts."""

    name: str
    open_call: Callable[[int], Awaitable[Call]]
    pids: Mapping[str, int]


async def run_round(system: System, calls: int, seconds: float, own_pid: int) -> Result:
    """Open `calls` calls, let them talk, close them."""
    opened = [await system.open_call(number) for number in range(calls)]
    ticker = Ticker(opened)
    ticking = asyncio.create_task(ticker.run())
    await asyncio.sleep(WARM_UP_S)
    began, before = time.perf_counter(), _cpu(system.pids)
    own_before = cpu_seconds(own_pid)
    await asyncio.sleep(seconds)
    after, ended = _cpu(system.pids), time.perf_counter()
    own = (cpu_seconds(own_pid) - own_before) / (ended - began)
    memory = {name: round(memory_mb(pid), 1) for name, pid in system.pids.items()}
    ticker.stop()
    await ticking
    await asyncio.sleep(0.5)  # what is on its way arrives: it is not lost
    lost = sum(len(call.sent_at) - call.received for call in opened)
    for call in opened:
        call.hang_up()
    await asyncio.sleep(0.5)
    call_seconds = calls * (ended - began)
    latencies = _window(opened, began, ended)
    return Result(
        system=system.name,
        calls=calls,
        cpu_ms={
            name: round((after[name] - before[name]) * 1000 / call_seconds, 2) for name in after
        },
        p50_ms=_percentile(latencies, 0.50),
        p99_ms=_percentile(latencies, 0.99),
        p999_ms=_percentile(latencies, 0.999),
        lost=lost,
        reordered=sum(call.reordered for call in opened),
        memory_mb=memory,
        harness_cpu=round(own, 2),
    )


def median(results: list[Result]) -> Result:
    """The round whose cost is the median one: whole rounds, not a mixture of several."""
    middle = statistics.median_low(result.total_cpu_ms for result in results)
    return next(result for result in results if result.total_cpu_ms == middle)


def _cpu(pids: Mapping[str, int]) -> dict[str, float]:
    return {name: cpu_seconds(pid) for name, pid in pids.items()}


def _window(calls: list[Call], began: float, ended: float) -> list[float]:
    inside = [
        latency
        for call in calls
        for latency, arrived in zip(call.latencies, call.arrived_at, strict=True)
        if began <= arrived <= ended
    ]
    return sorted(inside)


def _percentile(ordered: list[float], share: float) -> float:
    if not ordered:
        return float("nan")
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 2)
