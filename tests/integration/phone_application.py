"""A tiny application a phone company can call: the test sets its answers, it keeps what was asked.

It stands where the gateway stands, so that what is proved about the simulated carrier is proved
without the product.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web
from twilio.request_validator import RequestValidator

from simulators.phone import PhoneCompany
from simulators.phone_clock import Clock
from simulators.phone_scripts import HangUp, Listen, Script, Wait
from simulators.speech import speak

PUBLIC = "https://voice.example.com"
TOKEN = "an-auth-token"
SPEED = 10.0
Answer = str | tuple[int, str, str]
Media = Callable[["MediaSession"], Awaitable[None]]


@dataclass
class Asked:
    path: str
    form: dict[str, str]
    signed: bool
    method: str
    headers: dict[str, str]


@dataclass
class MediaSession:
    """One media WebSocket, as the application holds it."""

    ws: web.WebSocketResponse
    stream_sid: str = ""
    start: dict[str, Any] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)

    async def next(self, *events: str) -> dict[str, Any]:
        """The next message of one of these kinds; everything passed over is kept as well."""
        async for raw in self.ws:
            if raw.type is not WSMsgType.TEXT:
                continue
            message: dict[str, Any] = json.loads(raw.data)
            self.messages.append(message)
            if message["event"] in events:
                return message
        raise ConnectionResetError(f"closed before any of {events}")

    async def begin(self) -> dict[str, Any]:
        started = await self.next("start")
        self.stream_sid, self.start = started["streamSid"], started["start"]
        return started

    async def send(self, event: str, **body: Any) -> None:
        await self.ws.send_json({"event": event, "streamSid": self.stream_sid, **body})

    async def say(self, text: str, *, mark: str = "") -> None:
        payload = base64.b64encode(speak(text)).decode()
        await self.send("media", media={"payload": payload})
        if mark:
            await self.send("mark", mark={"name": mark})

    async def greet(self) -> None:
        """What an application does by default: say hello, then listen."""
        await self.begin()
        await self.say("Hello.")
        await self.drain()

    async def drain(self) -> None:
        """Keep everything until the carrier says goodbye."""
        while True:
            try:
                await self.next("nothing")
            except ConnectionResetError:
                return


class Application:
    """Answers by path; media sockets by the coroutine the test gives."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, list[Answer]] = {}
        self.sessions: list[MediaSession] = []
        self.media: Media = MediaSession.greet
        self.media_opened = asyncio.Event()
        self.upgrade: Asked | None = None
        self.refuse_media = 0
        self.delay_s: dict[str, float] = {}

    def answer(self, path: str, *bodies: Answer) -> None:
        """What `path` answers, in order; the last one stays."""
        self.answers[path] = list(bodies)

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def forms(self, path: str) -> list[dict[str, str]]:
        return [asked.form for asked in self.asked if asked.path == path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        form = {key: str(value) for key, value in (await request.post()).items()}
        asked = self._note(request, PUBLIC, form)
        self.asked.append(asked)
        await asyncio.sleep(self.delay_s.get(request.path, 0))
        answers = self.answers.get(request.path, [(404, "text/plain", "")])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, str):
            answer = (200, "text/xml", answer)
        status, kind, body = answer
        if status in (301, 302, 307):
            return web.Response(status=status, headers={"Location": body})
        return web.Response(status=status, text=body, content_type=kind)

    async def socket(self, request: web.Request) -> web.StreamResponse:
        self.upgrade = self._note(request, PUBLIC.replace("https", "wss"), {})
        if self.refuse_media:
            return web.Response(status=self.refuse_media)
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        session = MediaSession(ws)
        self.sessions.append(session)
        self.media_opened.set()
        with suppress(ConnectionResetError):
            await self.media(session)
        return ws

    def _note(self, request: web.Request, origin: str, form: dict[str, str]) -> Asked:
        signature = request.headers.get("X-Twilio-Signature", "")
        url = origin + request.path_qs
        signed = bool(RequestValidator(TOKEN).validate(url, form, signature))
        return Asked(request.path, form, signed, request.method, dict(request.headers))


@dataclass
class Scene:
    """A phone company and the application it calls."""

    application: Application
    company: PhoneCompany
    local: str


@asynccontextmanager
async def scene(*, speed: float = SPEED, **options: Any) -> AsyncIterator[Scene]:
    """Both, on this machine, in a hurry; `options` go to the phone company."""
    application = Application()
    app = web.Application()
    app.router.add_get("/media/{token}", application.socket)
    app.router.add_route("*", "/{path:.*}", application.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    local = f"http://{host}:{port}"
    options.setdefault("voice_url", f"{PUBLIC}/twilio/voice")
    options.setdefault("public_url_rewrites", {PUBLIC: local})
    company = PhoneCompany(auth_token=TOKEN, clock=Clock(speed), **options)
    try:
        async with company:
            yield Scene(application, company, local)
    finally:
        await runner.cleanup()


# Nothing in these depends on how busy this machine is: one stays, one listens before it leaves.
STAYS = Script("stays", (Wait(900_000),), max_call_ms=900_000)
LISTENER = Script("listener", (Listen(), Wait(600), HangUp()), patience_ms=120_000)


def twiml(*verbs: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{"".join(verbs)}</Response>'


def connect(*, action: str = "", stream: str = "", parameters: str = "") -> str:
    to = f' action="{action}"' if action else ""
    url = "wss://voice.example.com/media/a-token"
    return f'<Connect{to}><Stream url="{url}"{stream}>{parameters}</Stream></Connect>'
