"""A real PostgreSQL for tests: on loopback, in a directory of its own, stopped and started at will.

The server refuses to run as root, so it is started as another user then. Where the machine has no
PostgreSQL the tests that want one are skipped with the reason; in continuous integration (CI=true)
they fail instead, because a skipped test proves nothing.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NoReturn, Self

import pytest

from simulators.child import die_with_parent
from simulators.redis_server import free_port

START_LIMIT_S = 30.0
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",  # a power cut is not played; a crash is, so commits stay synchronous
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "autovacuum": "off",
}


def programs() -> Path | None:
    """Where `postgres` and `initdb` are: Debian's newest, or PATH."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = sorted(debian, key=lambda path: float(path.parts[-3]), reverse=True)
    found = str(newest[0]) if newest else shutil.which("postgres")
    return Path(found).parent if found else None


def absent(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class PostgresServer:
    """One server process; `kill`, then `start` again, is a crash and a recovery."""

    def __init__(self, directory: Path, programs: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        self._user: dict[str, Any] = {}
        if os.getuid() == 0:
            account = _unprivileged()
            os.chown(directory, account.pw_uid, account.pw_gid)
            self._user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    @classmethod
    def fresh(cls) -> Self:
        """A new, running server; skips (or, in CI, fails) the test where there is none."""
        found = programs()
        if found is None:
            absent("no PostgreSQL on this machine: install postgresql")
        server = cls(Path(tempfile.mkdtemp(prefix="callfleet-postgres-")), found)
        server._initialise()
        server.start()
        return server

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _initialise(self) -> None:
        self._run(
            "initdb", "--pgdata", str(self.directory / "data"), "--username=callfleet",
            "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C",
        )  # fmt: skip

    def start(self) -> None:
        """Returns when it accepts connections."""
        settings = {**SETTINGS, "port": str(self.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.directory / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self._programs / "postgres"), "-D", str(self.directory / "data"),
                    "-k", str(self.directory), *options,
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
                preexec_fn=die_with_parent, **self._user,
            )  # fmt: skip
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            ready = ["pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            if self._call(ready).returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start:\n{self.log}")

    def stop(self) -> None:
        """Fast shutdown: clients are cut off, nothing is lost."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Immediate shutdown, as in a crash: it recovers at the next start."""
        self._end(signal.SIGQUIT)

    def close(self) -> None:
        """Stop for good and leave nothing behind."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{next(self._numbers)}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "callfleet", name)
        return f"postgresql://callfleet@127.0.0.1:{self.port}/{name}"

    @property
    def log(self) -> str:
        return (self.directory / "postgres.log").read_text(errors="replace")

    def _run(self, program: str, *arguments: str) -> None:
        done = self._call([program, *arguments])
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.decode(errors='replace')}")

    def _call(self, command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        environment: Mapping[str, str] = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
        return subprocess.run(
            [str(self._programs / command[0]), *command[1:]],
            capture_output=True, timeout=START_LIMIT_S, cwd=self.directory, env=environment,
            check=False, **self._user,
        )  # fmt: skip

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        process.wait(timeout=START_LIMIT_S)


def _unprivileged() -> pwd.struct_passwd:
    """Somebody who is not root: the package's own user where there is one."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    absent("PostgreSQL refuses to run as root, and there is no user postgres or nobody")
