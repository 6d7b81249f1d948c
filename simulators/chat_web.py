"""Two small web servers of the simulated scoring API: the API's, and the one that controls it."""

import json
from collections.abc import Sequence
from typing import Any, Protocol

from aiohttp import web

from simulators.chat_faults import UnknownFault


class Site:
    """Routes on a port the system chooses; stopping it waits for nobody."""

    def __init__(self, routes: Sequence[web.RouteDef], *, body_max_bytes: int = 1 << 20) -> None:
        self._app = web.Application(client_max_size=body_max_bytes)
        self._app.add_routes(routes)
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self, host: str, port: int) -> None:
        # A client that gives up ends its handler: a hanging answer holds nothing.
        runner = web.AppRunner(
            self._app, handler_cancellation=True, shutdown_timeout=0.5, access_log=None
        )
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        self._runner = runner
        self.url = f"http://{host}:{runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


class Controlled(Protocol):
    """What the control needs of a simulator."""

    models: Any

    def state(self) -> dict[str, Any]: ...
    def arm(self, point: str, times: int = 1, **options: Any) -> None: ...
    def reset(self) -> None: ...


def control_site(simulator: Controlled) -> Site:
    """`GET /state`, `POST /faults`, `POST /models` (gone, shutdown_date), `POST /reset`."""

    async def state(_: web.Request) -> web.Response:
        return web.json_response(simulator.state())

    async def faults(request: web.Request) -> web.Response:
        try:
            asked = json.loads(await request.read())
            simulator.arm(asked.pop("point"), int(asked.pop("times", 1)), **asked)
        except (UnknownFault, ValueError, KeyError, TypeError, AttributeError) as mistake:
            return web.json_response({"error": str(mistake)}, status=400)
        return web.json_response({})

    async def models(request: web.Request) -> web.Response:
        try:
            asked = json.loads(await request.read())
            simulator.models.change(asked.pop("id"), asked)
        except (ValueError, KeyError, TypeError, AttributeError) as mistake:
            return web.json_response({"error": str(mistake)}, status=400)
        return web.json_response({})

    async def reset(_: web.Request) -> web.Response:
        simulator.reset()
        return web.json_response({})

    return Site(
        [
            web.get("/state", state),
            web.post("/faults", faults),
            web.post("/models", models),
            web.post("/reset", reset),
        ]
    )
