"""Is it alive, is it ready, and if not, because of whom: the private port of every process.

Readiness waits until every dependency answered once, and is taken back only by draining. It does
not follow a dependency down again: when Redis goes, every gateway would turn unready together and
callers would reach nobody, not even the overflow. What is down now is still named in `/readyz` and
counted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder

from callfleet import service_metrics, telemetry

CHECK_LIMIT_S: Final = 3.0
_UNTIL_READY_S: Final = 0.25  # between rounds of checks while starting
_AFTERWARDS_S: Final = 5.0

Check = Callable[[], Awaitable[None]]
log = telemetry.logger(__name__)


class Health:
    """What the dependencies last said, and whether new work is welcome."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.ready = asyncio.Event()
        self._started = False
        self._draining = False
        self._checks: Mapping[str, Check] = {}
        self._said: dict[str, str] = {}

    def started(self, checks: Mapping[str, Check]) -> None:
        """The service listens; from here on its dependencies decide."""
        self._checks, self._started = checks, True

    def draining(self) -> None:
        self._draining = True
        self.ready.clear()
        service_metrics.process_draining()

    async def watch(self) -> None:
        """Ask the dependencies, in turns, for as long as the process lives."""
        while True:
            await asyncio.gather(*(self._ask(name) for name in self._checks))
            answered = all(said == "ok" for said in self._said.values())
            if self._started and answered and not self._draining and not self.ready.is_set():
                self.ready.set()
                service_metrics.process_ready(True)
            await asyncio.sleep(_AFTERWARDS_S if self.ready.is_set() else _UNTIL_READY_S)

    async def _ask(self, name: str) -> None:
        try:
            async with asyncio.timeout(CHECK_LIMIT_S):
                await self._checks[name]()
            said = "ok"
        except Exception as error:  # a dependency fails in its own ways; each is an answer here
            said = telemetry.told(error)
        before = self._said.get(name)
        self._said[name] = said
        service_metrics.dependency_answered(name, said == "ok")
        if said != "ok" and before in (None, "ok"):
            log.warning("dependency down", dependency=name, why=said)
        elif said == "ok" and before not in (None, "ok"):
            log.info("dependency back", dependency=name)

    def report(self) -> dict[str, object]:
        state = "draining" if self._draining else "ready" if self.ready.is_set() else "starting"
        waiting_for = {name: self._said.get(name, "not asked yet") for name in self._checks}
        failing = [name for name, said in waiting_for.items() if said != "ok"]
        return {
            "service": self.service,
            "state": state,
            "ready": self.ready.is_set(),
            "failing": failing,
            "checks": waiting_for,
        }

    def app(self) -> web.Application:
        """`/healthz`, `/readyz`, `/metrics`."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", _metrics)
        return app

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"service": self.service, "alive": True})

    async def _readyz(self, _request: web.Request) -> web.Response:
        return web.json_response(self.report(), status=200 if self.ready.is_set() else 503)


async def _metrics(request: web.Request) -> web.Response:
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return web.Response(body=encode(REGISTRY), headers={"Content-Type": content_type})
