"""The gateway's composition root: what it is made of, and its life.

The public port speaks to carriers and to anybody who finds it, so it is hard of hearing: small
bodies and headers, no keep-alive worth holding, no word about what it runs on. `/metrics` and
health are on the private port, which `callfleet.service` owns.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web
from redis.asyncio import Redis

from callfleet.config import Config
from callfleet.encryption import KeyRing
from callfleet.journal import Journal
from callfleet.roster import Roster
from callfleet.service import Site, main_of, ping, redis_pool
from callfleet.slots import Slots
from callfleet.slots_keeper import SlotKeeper
from services.gateway.admission import Admission
from services.gateway.callbook import CallBook
from services.gateway.hold_audio import hold_loops
from services.gateway.links import Links
from services.gateway.media import TwilioMedia
from services.gateway.relay import Switching
from services.gateway.routing import Routing
from services.gateway.settings import GatewaySettings
from services.gateway.tokens import Tokens
from services.gateway.waiting import WaitingRoom
from services.gateway.webhooks import (
    AFTER_PATH,
    BODY_BYTES,
    MEDIA_PATH,
    STATUS_PATH,
    VOICE_PATH,
    TwilioWebhooks,
)

_HEADER_BYTES: Final = 8 * 1024
_KEEP_ALIVE_S: Final = 15.0


class Gateway:
    """One gateway process, as `callfleet.service` wants it."""

    name = "gateway"

    def __init__(self, settings: GatewaySettings, config: Config) -> None:
        self._settings = settings
        self._config = config
        self._redis: Redis | None = None
        self._links: Links | None = None
        self._media: TwilioMedia | None = None
        self._room: WaitingRoom | None = None
        self._loops: list[Callable[[], Awaitable[None]]] = []
        self._site: Site | None = None

    async def start(self) -> None:
        settings, config, holder = self._settings, self._config, _holder()
        redis = self._redis = redis_pool(settings.redis_url)
        slots = Slots(redis)
        journal = Journal(redis, KeyRing.parse(settings.encryption_keys))
        admission = Admission(slots, journal, holder=holder, config=config)
        await admission.configure()
        keeper = SlotKeeper(slots, redis, holder, config.orgs)
        sounds = hold_loops(config, settings.config_path)
        room = self._room = WaitingRoom(admission, keeper, config, sounds)
        routing = Routing(Roster(redis))
        self._links = Links(settings.secret)
        tokens, callbook = Tokens(settings.secret), CallBook(redis)
        self._media = TwilioMedia(
            tokens=tokens,
            callbook=callbook,
            switching=Switching(routing, self._links, admission, room),
            public_url=settings.public_url,
            auth_token=settings.twilio_auth_token,
        )
        self._loops = [self._media.watch, keeper.run, routing.seen.run, admission.run]
        webhooks = TwilioWebhooks(
            config=config,
            tokens=tokens,
            callbook=callbook,
            admission=admission,
            journal=journal,
            room=room,
            public_url=settings.public_url,
            auth_token=settings.twilio_auth_token,
        )
        self._site = await Site.open(
            public_app(webhooks, self._media),
            settings.host,
            settings.port,
            knob="CALLFLEET_GATEWAY_PORT",
            # A leg's end takes a few awaits: its request must outlive its client.
            handler_cancellation=False,
            keepalive_timeout=_KEEP_ALIVE_S,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
        )

    def addresses(self) -> Mapping[str, str]:
        assert self._site is not None
        return {"public_url": self._site.url()}

    def checks(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        assert self._redis is not None
        redis = self._redis
        return {"redis": lambda: ping(redis)}

    @property
    def legs(self) -> int:
        return 0 if self._media is None else self._media.legs

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for loop in self._loops:
                tasks.create_task(_forever(loop))

    async def drain(self) -> None:
        """Readiness is gone, so new webhooks go elsewhere; legs stay until their calls end."""
        assert self._media is not None
        await self._media.idle()

    async def stop(self) -> None:
        if self._media is not None:
            await self._media.stop()
        if self._room is not None:
            self._room.close()
        if self._site is not None:
            await self._site.close()
        if self._links is not None:
            await self._links.stop()
        if self._redis is not None:
            await self._redis.aclose()


def public_app(webhooks: TwilioWebhooks, media: TwilioMedia) -> web.Application:
    """What the world can reach."""
    app = web.Application(client_max_size=BODY_BYTES)
    app.on_response_prepare.append(_say_little)
    app.router.add_post(VOICE_PATH, webhooks.voice)
    app.router.add_post(AFTER_PATH, webhooks.after)
    app.router.add_post(STATUS_PATH, webhooks.status)
    app.router.add_get(MEDIA_PATH + "{token}", media.handle, allow_head=False)
    return app


async def _say_little(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.popall("Server", None)


async def _forever(loop: Callable[[], Awaitable[None]]) -> None:
    await loop()


def _holder() -> str:
    return f"gateway:{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def main() -> int:
    return main_of(Gateway.name, GatewaySettings, Gateway, also=_sounds)


def _sounds(config: Config, environ: Mapping[str, str]) -> None:
    """The files that callfleet.yaml names, judged with the rest of the configuration."""
    hold_loops(config, environ.get("CALLFLEET_CONFIG", "").strip() or "callfleet.yaml")
