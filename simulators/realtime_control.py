"""The control port of the simulated API: what it saw, and what shall go wrong next."""

from aiohttp import web

from simulators.realtime_faults import UnknownFault
from simulators.realtime_world import World


class Control:
    """`GET /state`, `POST /faults {"point": ..., "times": N, ...options}`, `POST /reset`,
    and `POST /end {"code": ..., "reason": ...}`: every live session ends, without a code abruptly.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> str:
        app = web.Application()
        app.router.add_get("/state", self._state)
        app.router.add_post("/faults", self._faults)
        app.router.add_post("/reset", self._reset)
        app.router.add_post("/end", self._end)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        assert site._server is not None
        address = self._runner.addresses[0]
        return f"http://{host}:{address[1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _state(self, request: web.Request) -> web.Response:
        return web.json_response(self._world.state())

    async def _faults(self, request: web.Request) -> web.Response:
        try:
            order = await request.json()
            point, times = str(order.pop("point")), int(order.pop("times", 1))
            self._world.faults.arm(point, times, order)
        except (UnknownFault, ValueError, KeyError, AttributeError, TypeError) as wrong:
            return web.json_response({"error": str(wrong)}, status=400)
        return web.json_response({"armed": self._world.faults.state()})

    async def _reset(self, request: web.Request) -> web.Response:
        self._world.reset()
        return web.json_response({"reset": True})

    async def _end(self, request: web.Request) -> web.Response:
        order = await request.json() if request.can_read_body else {}
        ended = await self._world.end_sessions(order.get("code"), str(order.get("reason", "")))
        return web.json_response({"ended": ended})
