"""Starts a whole fleet as separate processes, the way an operator would, on loopback.

A real Redis, gateways, workers, analytics, and the simulated Realtime and scoring APIs, each a
process of its own with an environment of its own. Ports are chosen by the system and read back from
each process's ready line. Tests, the demo and the load all start from here; with `FLEET_URL` the
acceptance tests use a fleet that is somewhere else instead.
"""

import asyncio
import base64
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from simulators.child import Child, ChildFailed
from simulators.redis_server import RedisServer

PUBLIC_URL = "https://voice.callfleet.example"
ACCOUNT_SID = "AC" + "5" * 32
EXAMPLE = Path(__file__).parent.parent / "examples" / "callfleet.yaml"
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SSL_CERT_FILE")


@dataclass(kw_only=True)
class FleetPlan:
    """How large a fleet, and what it is told."""

    gateways: int = 1
    workers: int = 2
    analytics: int = 1
    config: Path = EXAMPLE
    database_url: str = ""  # empty: a SQLite file in the fleet's directory
    environment: Mapping[str, str] = field(default_factory=dict)  # for every service
    public_url: str = PUBLIC_URL
    gateway_port: int = 0
    realtime_arguments: tuple[str, ...] = ()
    chat_arguments: tuple[str, ...] = ()
    real_apis: bool = False  # the operator's own OPENAI_* instead of the simulators
    keep_directory: Path | None = None


class Fleet:
    """A running fleet; `async with` starts and stops it."""

    def __init__(self, plan: FleetPlan | None = None) -> None:
        self.plan = plan or FleetPlan()
        self._owns_directory = self.plan.keep_directory is None
        self.directory = self.plan.keep_directory or Path(tempfile.mkdtemp(prefix="callfleet-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        self.auth_token = secrets.token_hex(16)
        self.redis = RedisServer(options={"appendonly": "yes"})
        self.processes: dict[str, Child] = {}
        self.violations: list[str] = []
        self._secrets = {
            "TWILIO_AUTH_TOKEN": self.auth_token,
            "CALLFLEET_SECRET": secrets.token_hex(16),
            "CALLFLEET_ENCRYPTION_KEYS": base64.b64encode(secrets.token_bytes(32)).decode(),
        }

    @property
    def database_url(self) -> str:
        default = f"sqlite+aiosqlite:///{self.directory / 'callfleet.db'}"
        return self.plan.database_url or default

    @property
    def voice_url(self) -> str:
        """What the phone company is told to ask for a number: the public address."""
        return f"{self.plan.public_url}/twilio/voice"

    @property
    def public_rewrites(self) -> dict[str, str]:
        """Public origin -> where it really is: the proxy in front of the first gateway."""
        local = str(self.processes["gateway-1"].ready["public_url"])
        secure = self.plan.public_url.replace("https://", "wss://")
        return {self.plan.public_url: local, secure: local.replace("http://", "ws://")}

    def private_url(self, name: str) -> str:
        return str(self.processes[name].ready["private_url"])

    def control_url(self, name: str) -> str:
        return str(self.processes[name].ready["control"])

    def service_environment(self) -> dict[str, str]:
        """What a service process, or an operator's command beside the fleet, is given."""
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment |= {
            "PYTHONUNBUFFERED": "1",
            "REDIS_URL": self.redis.url,
            "DATABASE_URL": self.database_url,
            "PUBLIC_URL": self.plan.public_url,
            "CALLFLEET_CONFIG": str(self.plan.config),
            "CALLFLEET_LOG_FORMAT": "json",
            "CALLFLEET_PRIVATE_HOST": "127.0.0.1",
            "CALLFLEET_PRIVATE_PORT": "0",
            "CALLFLEET_WORKER_HOST": "127.0.0.1",
            "CALLFLEET_WORKER_PORT": "0",
            "CALLFLEET_GATEWAY_HOST": "127.0.0.1",
            "CALLFLEET_GATEWAY_PORT": str(self.plan.gateway_port),
            **self._secrets,
            **self._api_environment(),
            **self.plan.environment,
        }
        return environment

    def _api_environment(self) -> dict[str, str]:
        if self.plan.real_apis:
            return {name: text for name, text in os.environ.items() if name.startswith("OPENAI_")}
        if "realtime" not in self.processes:
            return {}
        return {
            "OPENAI_API_KEY": "sk-simulated",
            "OPENAI_REALTIME_URL": str(self.processes["realtime"].ready["url"]),
            "OPENAI_BASE_URL": str(self.processes["chat"].ready["url"]),
        }

    async def start(self) -> None:
        """Everything up and ready; on failure everything down again."""
        try:
            # Not in another thread: a process dies with the thread that started it, see child.py.
            self.redis.start()
            if not self.plan.real_apis:
                await self._start_simulators()
            names = [f"worker-{n + 1}" for n in range(self.plan.workers)]
            names += [f"analytics-{n + 1}" for n in range(self.plan.analytics)]
            names += [f"gateway-{n + 1}" for n in range(self.plan.gateways)]
            await asyncio.gather(*(self.start_service(name) for name in names))
        except BaseException:
            await self.stop()
            raise

    async def _start_simulators(self) -> None:
        chosen = {"realtime": self.plan.realtime_arguments, "chat": self.plan.chat_arguments}
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        for name, arguments in chosen.items():
            command = [sys.executable, "-m", "simulators", name, *arguments]
            self.processes[name] = self._child(name, command, environment)
        await asyncio.gather(*(self.processes[name].until_ready() for name in chosen))

    async def start_service(self, name: str) -> Child:
        """Start (again) `gateway-1`, `worker-2` ...; returns when it is ready."""
        service = name.rsplit("-", 1)[0]
        environment = self.service_environment() | {"CALLFLEET_WORKER_ID": name}
        child = self._child(name, [sys.executable, "-m", "services.cli", service], environment)
        self.processes[name] = child
        await child.until_ready()
        return child

    def _child(self, name: str, command: list[str], environment: Mapping[str, str]) -> Child:
        return Child(name, command, environment, self.directory / f"{name}.log")

    async def command(self, *arguments: str) -> tuple[int, str, str]:
        """Run `callfleet ...` as an operator beside the fleet; exit code, output, errors."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.cli",
            *arguments,
            env=self.service_environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            output, errors = await process.communicate()
        return process.returncode or 0, output.decode(), errors.decode()

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        self.processes[name].send(number)

    async def stop(self) -> dict[str, int]:
        """Services first, so that what they hold is handed over; exit codes by name."""
        services = [name for name in self.processes if name not in ("realtime", "chat")]
        gateways = [name for name in services if name.startswith("gateway")]
        workers = [name for name in services if name.startswith("worker")]
        rest = [name for name in services if name not in gateways and name not in workers]
        codes: dict[str, int] = {}
        for group in (gateways, workers, rest, ["realtime", "chat"]):
            present = [name for name in group if name in self.processes]
            left = await asyncio.gather(*(self.processes[name].stop() for name in present))
            codes |= dict(zip(present, left, strict=True))
        await asyncio.to_thread(self.redis.close)
        self.violations = self._violations()
        if self._owns_directory:
            shutil.rmtree(self.directory, ignore_errors=True)
        return codes

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        await self.stop()
        if kind is None and self.violations:
            raise ChildFailed(f"a simulator was told what the real API refuses: {self.violations}")

    def _violations(self) -> list[str]:
        """What the simulators wrote down, when they stopped, as something the real API refuses."""
        return [
            f"{name}: {line['violations']}"
            for name in ("realtime", "chat")
            if name in self.processes
            for line in self.processes[name].lines()
            if line.get("violations")
        ]
