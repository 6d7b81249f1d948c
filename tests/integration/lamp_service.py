"""A service that does nothing but live, for the tests of living: run as a process of its own.

Its behaviour is chosen by LAMP_* variables, read here because it is its own `settings.py`.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from callfleet.config import Config
from callfleet.errors import StoreFault
from callfleet.service import Site, main_of, ping, redis_pool
from callfleet.settings import ServiceSettings


class Lamp:
    """Shines until told to stop."""

    name = "lamp"

    def __init__(self, settings: ServiceSettings, _config: Config) -> None:
        self._redis = redis_pool(settings.redis_url)
        self._wish = os.environ.get("LAMP_WISH", "")

    async def start(self) -> None:
        if self._wish == "start slowly":
            await asyncio.sleep(60)
        if self._wish == "fail at start":
            raise StoreFault("the bulb is broken")
        if self._wish == "crash at start":
            raise KeyError("nobody foresaw this")
        port = int(os.environ.get("LAMP_PORT", "0"))
        self._site = await Site.open(web.Application(), "127.0.0.1", port, knob="LAMP_PORT")

    def addresses(self) -> Mapping[str, str]:
        return {"public_url": self._site.url()}

    def checks(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        return {"redis": lambda: ping(self._redis)}

    async def run(self) -> None:
        if self._wish == "loop fails":
            raise StoreFault("the switch is stuck")
        await asyncio.Event().wait()

    async def drain(self) -> None:
        if self._wish == "drain slowly":
            await asyncio.sleep(60)

    async def stop(self) -> None:
        await self._redis.aclose()
        if hasattr(self, "_site"):
            await self._site.close()
        sys.stderr.write("lamp is out\n")


if __name__ == "__main__":
    sys.exit(main_of("lamp", ServiceSettings, Lamp))
