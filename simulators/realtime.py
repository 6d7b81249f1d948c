"""The OpenAI Realtime API (GA), simulated over WebSocket: strict, seeded, and cheap.

What it accepts, answers and refuses follows the API's documentation and the captures people have
published; where the real one is lenient by accident this one is not. A client event the API would
refuse as wrong is a violation: `assert_clean` raises for it, and the command leaves with 3.

    async with RealtimeSimulator(seed=7) as api:
        api.arm("rate_limited_response", 1, hint="320ms")
        ... connect to api.url ...
    api.assert_clean()

The parts: `realtime_session` (one session) with `realtime_turns` (the caller's side) and
`realtime_dialogue` (items and responses); `realtime_event_rules` and `realtime_rules` (what is
accepted); `realtime_brain` (what is said); `realtime_faults` (what goes wrong).
"""

import argparse
import asyncio
import json
import signal
import time
from collections.abc import Sequence
from dataclasses import fields
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Subprotocol

from simulators.realtime_control import Control
from simulators.realtime_echo import Echo
from simulators.realtime_faults import CLOSES, Close
from simulators.realtime_session import Session
from simulators.realtime_world import Observer, Options, World

PATHS = ("/v1/realtime", "/openai/v1/realtime")
_KEY_PROTOCOL = "openai-insecure-api-key."
_MAX_MESSAGE_BYTES = 32 * 1024 * 1024


class Violations(AssertionError):
    """The client said what the real API would refuse."""


class SocketWire:
    """A session's socket; once it is closed, what is sent goes nowhere, as on a real one."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket

    @property
    def open(self) -> bool:
        return self._socket.state is State.OPEN

    async def send(self, data: bytes) -> None:
        try:
            await self._socket.send(data, text=True)
        except ConnectionClosed:
            return

    async def close(self, code: int, reason: str) -> None:
        await self._socket.close(code, reason)

    def abort(self) -> None:
        self._socket.transport.abort()


class RealtimeSimulator:
    """`options` are the fields of `realtime_world.Options`; `observer` sees every event."""

    def __init__(self, *, observer: Observer | None = None, **options: Any) -> None:
        known = {field.name for field in fields(Options)}
        unknown = set(options) - known
        if unknown:
            raise TypeError(f"unknown options: {', '.join(sorted(unknown))}")
        for name, shape in (("keys", frozenset), ("models", tuple)):
            if name in options:
                options[name] = shape(options[name])
        self.world = World(Options(**options), observer)
        self._control = Control(self.world)
        self._server: Server | None = None
        self.url = ""
        self.control_url = ""

    async def start(self, host: str = "127.0.0.1", port: int = 0, control_port: int = 0) -> None:
        self._server = await serve(
            self._serve,
            host,
            port,
            compression=None,
            max_size=_MAX_MESSAGE_BYTES,
            process_request=self._before_upgrade,
            select_subprotocol=_subprotocol,
            close_timeout=2,
            server_header=None,
        )
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"ws://{host}:{port}{PATHS[0]}"
        self.control_url = await self._control.start(host, control_port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        await self._control.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
        if kind is None and not self.world.options.expect_violations:
            self.assert_clean()

    @property
    def violations(self) -> Sequence[str]:
        return self.world.violations

    def assert_clean(self) -> None:
        if self.world.violations:
            raise Violations("\n".join(self.world.violations))

    def state(self) -> dict[str, Any]:
        return self.world.state()

    def arm(self, point: str, times: int = 1, **options: Any) -> None:
        """Let `point` of `realtime_faults.POINTS` happen at the next `times` opportunities."""
        self.world.faults.arm(point, times, options)

    async def end_sessions(self, code: int | None = None, reason: str = "") -> int:
        """End every live session now: without a close when no code is given."""
        return await self.world.end_sessions(code, reason)

    def _before_upgrade(self, socket: ServerConnection, request: Request) -> Response | None:
        if urlsplit(request.path).path not in PATHS:
            return socket.respond(HTTPStatus.NOT_FOUND, "no such path\n")
        fault = self.world.faults.take("connect", only="refuse", having="status")
        if fault is None:
            return None
        status = HTTPStatus(int(fault.number("status", 503)))
        self.world.refused[f"http_{status.value}"] += 1
        return socket.respond(status, json.dumps({"error": {"message": status.phrase}}))

    async def _serve(self, socket: ServerConnection) -> None:
        request = socket.request
        assert request is not None
        key, model = _key(request), _model(request)
        refusal = self._refusal(request, key, model)
        if refusal is not None:
            name, close = refusal
            self.world.refused[name] += 1
            await self._turn_away(socket, close)
            return
        counts = (self.world.all, self.world.counts(key, model))
        wire = SocketWire(socket)
        for each in counts:
            each.opened(wire)
        try:
            await self._hold(socket, wire, model)
        except ConnectionClosed:
            pass
        finally:
            for each in counts:
                each.closed(wire)
            self.world.closes[str(socket.close_code)] += 1

    def _refusal(self, request: Request, key: str, model: str) -> tuple[str, Close] | None:
        options, name = self.world.options, ""
        if "realtime=v1" in request.headers.get("OpenAI-Beta", ""):
            name = "beta_api_shape_disabled"
        elif key not in options.keys:
            name = "invalid_api_key"
        elif not model:
            name = "missing_model"
        elif model not in options.models:
            name = "model_not_found"
        elif (fault := self.world.faults.take("connect", only="refuse")) is not None:
            name = fault.word("row", "server_error")
        elif options.max_sessions is not None and self._live(key) >= options.max_sessions:
            name = "too_many_sessions"
        return (name, CLOSES[name]) if name else None

    def _live(self, key: str) -> int:
        named = self.world.by_key_and_model.items()
        return sum(counts.live for (owner, _), counts in named if owner == key)

    async def _turn_away(self, socket: ServerConnection, close: Close) -> None:
        wire = SocketWire(socket)
        if close.error:
            event_id = f"event_{self.world.random.getrandbits(48):012x}"
            await wire.send(close.event(event_id))
        await wire.close(close.code, close.reason)

    async def _hold(self, socket: ServerConnection, wire: SocketWire, model: str) -> None:
        options = self.world.options
        expires_at = int(time.time() + options.session_s / options.speed)
        number = self.world.all.total
        session = Session(self.world, wire, model=model, number=number, expires_at=expires_at)
        session.spawn(session.expire(options.session_s))
        try:
            fault = self.world.faults.take("connect")
            hindered = fault is not None and fault.point in ("slow", "stall")
            if fault is not None and hindered:
                await session.suffer(fault)
            await session.open()
            if fault is not None and not hindered:
                await session.suffer(fault)
            if options.echo:
                await self._echo(socket, session)
            async for message in socket:
                await session.receive(message)
        finally:
            await session.stop()

    async def _echo(self, socket: ServerConnection, session: Session) -> None:
        echo = Echo(session)
        while True:
            raw = await socket.recv(decode=False)
            if not await echo.take(raw):
                await session.receive(raw.decode())


def _key(request: Request) -> str:
    bearer = request.headers.get("Authorization", "")
    if bearer.startswith("Bearer "):
        return bearer.removeprefix("Bearer ").strip()
    for offered in _protocols(request):
        if offered.startswith(_KEY_PROTOCOL):
            return offered.removeprefix(_KEY_PROTOCOL)
    return request.headers.get("api-key", "")


def _protocols(request: Request) -> list[str]:
    lines = request.headers.get_all("Sec-WebSocket-Protocol")
    return [each.strip() for line in lines for each in line.split(",")]


def _model(request: Request) -> str:
    return parse_qs(urlsplit(request.path).query).get("model", [""])[0]


def _subprotocol(socket: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return Subprotocol("realtime") if "realtime" in offered else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--key", action="append", help="an API key that is accepted")
    parser.add_argument("--model", action="append", help="a model that exists")
    parser.add_argument("--speed", type=float, default=1.0, help="simulated seconds per second")
    parser.add_argument("--audio-speed", type=float, default=6.0)
    parser.add_argument("--session-s", type=float, default=3600.0)
    parser.add_argument("--max-sessions", type=int, help="per key")
    parser.add_argument("--tokens-per-minute", type=int, help="per model")
    parser.add_argument("--echo", action="store_true", help="return what the caller says")
    parser.add_argument("--script", type=Path, help="JSON: words a caller says -> the answer")
    parser.add_argument("--expect-violations", action="store_true")


async def run(args: argparse.Namespace) -> int:
    names = ("seed", "speed", "audio_speed", "session_s", "max_sessions", "tokens_per_minute")
    options = {name: getattr(args, name) for name in (*names, "echo", "expect_violations")}
    options |= {"keys": args.key} if args.key else {}
    options |= {"models": args.model} if args.model else {}
    options |= {"script": json.loads(args.script.read_text())} if args.script else {}
    simulator = RealtimeSimulator(**options)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await simulator.start(args.host, args.port, args.control_port)
    facts = {"ready": "realtime", "url": simulator.url, "control": simulator.control_url}
    print(json.dumps(facts), flush=True)
    await stopping.wait()
    await simulator.stop()
    if simulator.violations and not args.expect_violations:
        print(json.dumps({"violations": list(simulator.violations)}), flush=True)
        return 3
    return 0
