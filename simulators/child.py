"""One process of a simulated fleet: started, awaited until ready, signalled, and never left behind.

Its standard output and error go to a file, not a pipe: nobody has to read it for the process to run
on, and after a failure the whole story is there. Readiness is one JSON line on standard output, the
same that operators see.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """In the child, before exec: whoever kills the parent, even by SIGKILL, kills the child.

    Linux means the parent's thread: start processes from one that lives as long as they shall.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class ChildFailed(Exception):
    """A process did not become ready, or left when it should not have."""


class Child:
    """`command` as a process of ours, its output in `log`."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.log = log
        self.ready: dict[str, Any] = {}
        with log.open("ab") as output:
            self._read_from = output.tell()
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,  # Ctrl-C is for the parent, which stops them in order
                preexec_fn=die_with_parent,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    async def until_ready(self, limit_s: float = 30.0) -> dict[str, Any]:
        """The facts of its ready line; ChildFailed with its last words otherwise."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while True:
                    for line in self.lines():
                        if _is_ready(line):
                            self.ready = line
                            return line
                    if self.returncode is not None:
                        raise ChildFailed(f"{self.name} left ({self.returncode}): {self.tail()}")
                    await asyncio.sleep(0.02)
        raise ChildFailed(f"{self.name} was not ready in {limit_s:.0f} s: {self.tail()}")

    def lines(self) -> list[dict[str, Any]]:
        """Everything it printed as JSON lines since it was started."""
        with self.log.open("rb") as file:
            file.seek(self._read_from)
            text = file.read().decode(errors="replace")
        parsed = []
        for line in text.splitlines():
            with contextlib.suppress(ValueError):
                value = json.loads(line)
                if isinstance(value, dict):
                    parsed.append(value)
        return parsed

    def tail(self, lines: int = 5) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def send(self, number: signal.Signals) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    async def stop(self, limit_s: float = 10.0) -> int:
        """SIGTERM, patience, SIGKILL; its exit code."""
        self.send(signal.SIGCONT)  # a frozen process cannot take SIGTERM
        self.send(signal.SIGTERM)
        return await self.gone(limit_s)

    async def gone(self, limit_s: float = 10.0) -> int:
        """Wait for it to leave; SIGKILL when it does not."""
        try:
            await asyncio.to_thread(self._process.wait, limit_s)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            await asyncio.to_thread(self._process.wait)
        assert self.returncode is not None
        return self.returncode


def _is_ready(line: dict[str, Any]) -> bool:
    """Simulators say {"ready": name, ...}; services log {"msg": "ready", ...}."""
    return "ready" in line or line.get("msg") == "ready"
