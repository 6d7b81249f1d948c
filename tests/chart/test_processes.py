"""What the chart starts does start: the rendered command, environment, file and probes, for real.

Each container runs as a process of this checkout, with the rendered variables; only where it
listens and where its Redis and database are is this machine's.
"""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.chart.rendering import (
    ROOT,
    Pod,
    as_a_process_sees_it,
    of_kind,
    pod_of,
    pods,
    with_minimal,
)
from tests.redis_server import RedisServer

READY_WITHIN_S = 40.0


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with RedisServer() as server:
        yield server.url


class Container:
    """A process, and the addresses that it told when it was ready."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.addresses: dict[str, Any] = {}

    async def ready(self) -> None:
        assert self.process.stdout is not None and self.process.stderr is not None
        async with asyncio.timeout(READY_WITHIN_S):
            while line := await self.process.stdout.readline():
                told = json.loads(line)  # settings.shared: CALLFLEET_LOG_FORMAT=json
                if told["msg"] == "ready":
                    self.addresses = told
                    return
        raise AssertionError((await self.process.stderr.read()).decode())

    async def probe(self, pod: Pod, name: str) -> int:
        path = pod.own[name]["httpGet"]["path"]
        url = self.addresses["private_url"] + path
        async with aiohttp.ClientSession() as client, client.get(url) as response:
            return response.status

    async def stopped(self) -> int:
        """As kubelet asks: SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(READY_WITHIN_S):
            await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def started(args: list[str], environ: dict[str, str]) -> AsyncIterator[Container]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *args,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
        stdout=pipe,
        stderr=pipe,
    )
    try:
        yield Container(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@asynccontextmanager
async def container(component: str, redis_url: str, where: Path) -> AsyncIterator[Container]:
    objects = with_minimal()
    pod = pod_of(objects, component)
    for name, text in of_kind(objects, "ConfigMap")["callfleet-config"]["data"].items():
        (where / name).write_text(text)
    (mount,) = [one for one in pod.own["volumeMounts"] if one["name"] == "config"]
    environ = as_a_process_sees_it(pod, "127.0.0.1")
    here = {name: "127.0.0.1" for name in environ if name.endswith("_HOST")}
    here |= {name: "0" for name in environ if name.endswith("_PORT")}
    here["CALLFLEET_CONFIG"] = environ["CALLFLEET_CONFIG"].replace(mount["mountPath"], str(where))
    here["REDIS_URL"] = redis_url
    if "DATABASE_URL" in environ:
        here["DATABASE_URL"] = f"sqlite+aiosqlite:///{where / 'callfleet.db'}"
    command = [sys.executable, "-m", "services.cli", *pod.own["args"]]
    async with started(command, environ | here) as running:
        await running.ready()
        yield running


@pytest.mark.parametrize("component", ["gateway", "worker", "analytics"])
async def test_it_becomes_ready_answers_its_probes_and_leaves_when_asked(
    component: str, redis_url: str, tmp_path: Path
) -> None:
    pod = pod_of(with_minimal(), component)
    async with container(component, redis_url, tmp_path) as running:
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert await running.probe(pod, name) == 200, name
        assert await running.stopped() == 0


async def test_the_migrations_make_the_schema(tmp_path: Path) -> None:
    (job,) = of_kind(with_minimal(), "Job").values()
    args = job["spec"]["template"]["spec"]["containers"][0]["args"]
    database = tmp_path / "callfleet.db"
    environ = {"DATABASE_URL": f"sqlite+aiosqlite:///{database}"}
    async with started([sys.executable, "-m", "services.cli", *args], environ) as running:
        async with asyncio.timeout(READY_WITHIN_S):
            _, told = await running.process.communicate()
        assert running.process.returncode == 0, told.decode()
    assert database.stat().st_size > 0


async def test_helm_test_passes_on_a_ready_gateway(redis_url: str, tmp_path: Path) -> None:
    async with container("gateway", redis_url, tmp_path) as running:
        code, told = await helm_test(running.addresses)
        assert code == 0, told
        assert told.count("good: ") == 2
        elsewhere = {**running.addresses, "public_url": running.addresses["private_url"]}
        code, told = await helm_test(elsewhere, patience_s=1)
        assert code != 0 and "answered 404, not 403" in told


async def helm_test(addresses: dict[str, Any], patience_s: int = 50) -> tuple[int, str]:
    """The rendered test, asking this gateway instead of the release's Services."""
    (pod,) = [one for one in pods(with_minimal()) if one.name == "Pod/callfleet-test-gateway"]
    (script,) = pod.own["args"]
    assert pod.own["command"] == ["python", "-c"]
    for service, address in (
        ("callfleet-gateway-private:9090", addresses["private_url"]),
        ("callfleet-gateway:80", addresses["public_url"]),
    ):
        script, count = re.subn(f"http://{service}/", f"{address}/", script)
        assert count == 1, service
    script = script.replace("monotonic() + 50", f"monotonic() + {patience_s}")
    async with started([sys.executable, "-c", script], {}) as running:
        async with asyncio.timeout(READY_WITHIN_S):
            told, why = await running.process.communicate()
        assert running.process.returncode is not None
        return running.process.returncode, (told + why).decode()
