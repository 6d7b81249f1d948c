"""What a process really used of a core, from the scheduler's own account of each thread.

`/proc/PID/task/*/schedstat` counts nanoseconds on a CPU. Wall-clock shares would charge us for
whatever else a shared machine is doing.
"""

import os
from collections.abc import Iterable
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Seconds that all threads of a process have spent on a CPU so far."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def memory_mb(pid: int) -> float:
    """Memory that is this process's own: shared pages counted by their share."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def pin(pids: Iterable[int], core: int) -> None:
    """Keep every thread of these processes on one core; threads born later inherit it."""
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core})


def cores() -> tuple[int, int]:
    """A core for the system under test and one for the harness; the same if there is one."""
    available = sorted(os.sched_getaffinity(0))
    return available[0], available[-1]
