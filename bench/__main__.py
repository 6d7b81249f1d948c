"""`make bench`: what a call costs and what it adds, and what the semaphore costs Redis.

Sections: `echo` (beside a bare relay in the same minutes), `semaphore`, `redis`.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from bench import redis_cost, semaphore
from bench.cpu import cores, pin
from bench.echo_realtime import serve
from bench.rounds import Result, System, median, run_round
from bench.systems import bare_relay, callfleet

# Pipecat's cost over a picows relay's, from measurements of both side by side: it cannot carry 100
# calls on a core, so its 21 CPU-ms stand at its own limit of about 45 (see bench/README.md).
PIPECAT_OVER_BARE_RELAY = 21 / 3.4
AIM_SHARE_OF_PIPECAT = 0.25
AIM_P99_MS = 10.0
SECTIONS = ("echo", "semaphore", "redis")


async def measure(levels: list[int], seconds: float, repeats: int) -> list[Result]:
    """Every system at every level, interleaved, so that a slow minute is slow for all."""
    system_core, harness_core = cores()
    server, realtime_url = await serve()
    pin([os.getpid()], harness_core)
    results: list[Result] = []
    systems: dict[str, Callable[[], AbstractAsyncContextManager[System]]] = {
        "callfleet": lambda: callfleet(realtime_url, system_core),
        "picows": lambda: bare_relay("picows", realtime_url, system_core),
        "aiohttp": lambda: bare_relay("aiohttp", realtime_url, system_core),
    }
    for calls in levels:
        rounds: dict[str, list[Result]] = {name: [] for name in systems}
        for _ in range(repeats):
            for name, make in systems.items():
                async with make() as system:
                    rounds[name].append(await run_round(system, calls, seconds, os.getpid()))
        results += [median(rounds[name]) for name in systems]
    server.close()
    return results


def table(results: list[Result]) -> Table:
    page = Table(title="Echo: 50 frames a second each way, every frame timed")
    for heading in ("system", "calls", "CPU-ms per call-second", "of the bare relay"):
        page.add_column(heading, justify="left" if heading == "system" else "right")
    for heading in ("p50 ms", "p99 ms", "p99.9 ms", "lost", "reordered", "MB", "harness"):
        page.add_column(heading, justify="right")
    yardstick = {result.calls: result for result in results if "picows" in result.system}
    for result in results:
        parts = " + ".join(f"{name} {cost:.2f}" for name, cost in result.cpu_ms.items())
        alone = len(result.cpu_ms) == 1
        cost = f"{result.total_cpu_ms:.2f}" if alone else f"{result.total_cpu_ms:.2f} ({parts})"
        share = result.total_cpu_ms / yardstick[result.calls].total_cpu_ms
        memory = " + ".join(f"{size:.0f}" for size in result.memory_mb.values())
        latency = [f"{part:.2f}" for part in (result.p50_ms, result.p99_ms, result.p999_ms)]
        faults = [str(result.lost), str(result.reordered)]
        row = [result.system, str(result.calls), cost, f"{share:.2f}", *latency, *faults]
        page.add_row(*row, memory, f"{result.harness_cpu:.0%}")
    return page


def verdict(results: list[Result]) -> list[str]:
    """The aims, and whether this run met them."""
    top = max(result.calls for result in results)
    ours = next(r for r in results if r.calls == top and r.system == "callfleet")
    bare = next(r for r in results if r.calls == top and "picows" in r.system)
    share = ours.total_cpu_ms / (bare.total_cpu_ms * PIPECAT_OVER_BARE_RELAY)
    if ours.lost or ours.reordered:
        return [f"at {top} calls: {ours.lost} frames lost, {ours.reordered} reordered: no verdict"]
    return [
        f"at {top} calls: {share:.2f} of Pipecat's cost per call (aim: {AIM_SHARE_OF_PIPECAT}), "
        f"{'met' if share <= AIM_SHARE_OF_PIPECAT else 'missed'}",
        f"at {top} calls: p99 {ours.p99_ms:.1f} ms added (aim: {AIM_P99_MS:.0f} ms), "
        f"{'met' if ours.p99_ms <= AIM_P99_MS else 'missed'}",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--calls", type=int, nargs="+", default=[25, 50, 100])
    parser.add_argument("--seconds", type=float, default=10.0, help="a round's window")
    parser.add_argument("--repeats", type=int, default=1, help="rounds each, the median counts")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    arguments = parser.parse_args()
    if sys.platform != "linux":
        print("the bench reads Linux's scheduler accounts; run it on Linux", file=sys.stderr)
        return 1
    chosen = arguments.sections or SECTIONS
    if unknown := set(chosen) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}")
    console = Console(width=None if sys.stdout.isatty() else 160)
    told: dict[str, object] = {}
    if "semaphore" in chosen:
        costs = uvloop.run(semaphore.measure())
        console.print(semaphore.table(costs))
        told["semaphore"] = [cost.as_json() for cost in costs]
    if "redis" in chosen:
        cost = uvloop.run(redis_cost.measure())
        console.print(redis_cost.table(cost), redis_cost.verdict(cost), sep="\n")
        told["redis"] = cost.as_json()
    if "echo" in chosen:  # last: it pins this process to one core
        results = uvloop.run(measure(arguments.calls, arguments.seconds, arguments.repeats))
        console.print(table(results), *verdict(results), sep="\n")
        told["results"] = [result.as_json() for result in results]
    if arguments.json:
        about = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        about |= {"python": platform.python_version(), "machine": platform.machine()}
        arguments.json.write_text(json.dumps(about | told, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
