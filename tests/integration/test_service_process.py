"""A process' whole life, seen from outside: addresses, probes, signals, exit codes."""

import asyncio
import base64
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("lamp_service.py")
NOBODY = "redis://user:hush-hush@127.0.0.1:1/0"


class Lamp:
    """The process, and what it said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    async def said(self, phrase: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.lines.append(json.loads(line))
            if self.lines[-1]["msg"] == phrase:
                return self.lines[-1]
        raise AssertionError(f"never said {phrase!r}: {self.lines} {await self.errors()}")

    async def errors(self) -> str:
        assert self.process.stderr is not None
        return (await self.process.stderr.read()).decode()

    async def left(self) -> int:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))
        return await self.process.wait()

    def phrases(self) -> list[str]:
        return [line["msg"] for line in self.lines]


@asynccontextmanager
async def lamp(**environ: str) -> AsyncIterator[Lamp]:
    given = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "CALLFLEET_CONFIG": str(ROOT / "examples" / "callfleet.yaml"),
        "CALLFLEET_SECRET": "0123456789abcdef",
        "CALLFLEET_ENCRYPTION_KEYS": base64.b64encode(b"k" * 32).decode(),
        "CALLFLEET_PRIVATE_HOST": "127.0.0.1",
        "CALLFLEET_PRIVATE_PORT": "0",
        "CALLFLEET_LOG_FORMAT": "json",
        "REDIS_URL": NOBODY,
        **environ,
    }
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), env=given, stdout=pipe, stderr=pipe
    )
    try:
        yield Lamp(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def fetch(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as client, client.get(url) as response:
        return response.status, await response.text()


async def test_ready_tells_the_addresses_and_sigterm_ends_it(redis_url: str) -> None:
    async with lamp(REDIS_URL=redis_url) as process:
        ready = await process.said("ready")
        private = ready["private_url"]
        assert (await fetch(ready["public_url"]))[0] == 404  # it listens, and has nothing
        status, body = await fetch(f"{private}/readyz")
        assert (status, json.loads(body)["state"]) == (200, "ready")
        assert (await fetch(f"{private}/healthz"))[0] == 200
        _, metrics = await fetch(f"{private}/metrics")
        assert "callfleet_process_ready 1.0" in metrics
        assert 'callfleet_process_dependency_up{dependency="redis"} 1.0' in metrics
        assert 'callfleet_process_info{python="3' in metrics
        assert "callfleet_process_loop_lag_worst_seconds" in metrics
        process.process.send_signal(signal.SIGTERM)
        assert await process.left() == 0
        assert process.phrases()[-3:] == ["draining", "drained", "stopped"]
        assert "lamp is out" in await process.errors()


async def test_settings_are_told_at_start_and_secrets_are_not() -> None:
    async with lamp() as process:
        started = await process.said("starting")
        assert started["settings"]["CALLFLEET_SECRET"] == "***"
        assert "hush-hush" not in json.dumps(started)
        assert "@127.0.0.1:1/0" in started["settings"]["REDIS_URL"]


async def test_without_a_dependency_it_lives_but_is_not_ready() -> None:
    async with lamp() as process:
        private = (await process.said("listening"))["private_url"]
        down = await process.said("dependency down")
        assert down["dependency"] == "redis"
        status, body = await fetch(f"{private}/readyz")
        assert status == 503
        assert json.loads(body)["failing"] == ["redis"]
        assert (await fetch(f"{private}/healthz"))[0] == 200
        process.process.send_signal(signal.SIGINT)
        assert await process.left() == 0
        assert "ready" not in process.phrases()
        assert "hush-hush" not in json.dumps(process.lines)


async def test_a_drain_withdraws_readiness_and_a_second_signal_cuts_it_short(
    redis_url: str,
) -> None:
    async with lamp(REDIS_URL=redis_url, LAMP_WISH="drain slowly") as process:
        private = (await process.said("ready"))["private_url"]
        process.process.send_signal(signal.SIGTERM)
        await process.said("draining")
        status, body = await fetch(f"{private}/readyz")
        assert (status, json.loads(body)["state"]) == (503, "draining")
        assert (await fetch(f"{private}/healthz"))[0] == 200
        process.process.send_signal(signal.SIGTERM)
        assert await process.left() == 0
        assert "drain cut short" in process.phrases()
        assert "lamp is out" in await process.errors()


async def test_a_drain_ends_at_its_deadline(redis_url: str) -> None:
    wishes = {"LAMP_WISH": "drain slowly", "CALLFLEET_DRAIN_TIMEOUT_S": "100ms"}
    async with lamp(REDIS_URL=redis_url, **wishes) as process:
        await process.said("ready")
        process.process.send_signal(signal.SIGTERM)
        assert await process.left() == 0
        assert "drain deadline passed" in process.phrases()


@pytest.mark.parametrize("knob", ["LAMP_PORT", "CALLFLEET_PRIVATE_PORT"])
async def test_a_port_that_is_taken_is_one_clear_line(knob: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with lamp(**{knob: str(port)}) as process:
            assert await process.left() == 1
            told = (await process.errors()).splitlines()[0]
            assert told == (
                f"callfleet lamp: cannot start: port {port} on 127.0.0.1 is taken:"
                f" free it, or set {knob} to another"
            )


async def test_a_failed_start_is_one_line_and_still_stops_cleanly() -> None:
    async with lamp(LAMP_WISH="fail at start") as process:
        assert await process.left() == 1
        assert (await process.errors()).splitlines() == [
            "callfleet lamp: cannot start: the bulb is broken",
            "lamp is out",
        ]


async def test_a_start_that_nobody_foresaw_leaves_a_traceback_in_the_log() -> None:
    async with lamp(LAMP_WISH="crash at start") as process:
        assert await process.left() == 1
        (line,) = [line for line in process.lines if line["msg"] == "cannot start"]
        assert "lamp_service.py" in line["error"]
        assert line["error"].endswith("KeyError")


async def test_a_signal_during_the_start_ends_it() -> None:
    async with lamp(LAMP_WISH="start slowly") as process:
        await process.said("starting")
        process.process.send_signal(signal.SIGTERM)
        assert await process.left() == 0
        assert "lamp is out" in await process.errors()


async def test_a_loop_that_fails_ends_the_process(redis_url: str) -> None:
    async with lamp(REDIS_URL=redis_url, LAMP_WISH="loop fails") as process:
        assert await process.left() == 1
        told = (await process.errors()).splitlines()
        assert told == ["callfleet lamp: failed: the switch is stuck", "lamp is out"]


async def test_misconfigured_is_exit_code_two_with_every_mistake() -> None:
    environ = {"CALLFLEET_SECRET": "", "CALLFLEET_DRAIN_TIMEOUT_S": "soon", "REDIS_URL": "h:1"}
    async with lamp(**environ, CALLFLEET_CONFIG="/nowhere.yaml") as process:
        assert await process.left() == 2
        told = (await process.errors()).splitlines()
        assert told[0] == "callfleet lamp: 4 mistakes in the configuration"
        assert len(told) == 5
        assert process.lines == []
