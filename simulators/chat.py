"""The scoring model: `/v1/chat/completions`, `/v1/responses` and `/v1/models`, strict and seeded.

It refuses what the API refuses and answers from the words said, the same words always alike. What
it was asked, what it answered and which requests no correct client would have sent are kept for the
test that wants to know; a caller's orders in a transcript are words like any others.
"""

import argparse
import asyncio
import contextlib
import json
import random
import signal
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Self

from aiohttp import web

from simulators.chat_answers import answer
from simulators.chat_bodies import Said, completion, cut_to, response, spoilt
from simulators.chat_errors import ApiError, bad, no_key, wrong_key
from simulators.chat_faults import Fault, Faults
from simulators.chat_judgement import Judgement, transcript
from simulators.chat_models import Models
from simulators.chat_requests import Question, read_completion, read_response
from simulators.chat_web import Site, control_site

REMEMBERED: Final = 1000  # of the last requests
BODY_MAX_BYTES: Final = 8 << 20
HANG_S: Final = 600.0

_READERS: Final[Mapping[str, tuple[Callable[..., Question], Callable[..., dict[str, Any]]]]] = {
    "chat/completions": (read_completion, completion),
    "responses": (read_response, response),
}


class ChatSimulator:
    """The API on one port, its control on another; `async with` starts and stops both."""

    def __init__(self, *, seed: int = 0, keys: Collection[str] = ("sk-simulated",)) -> None:
        self._seed = seed
        self._keys = frozenset(keys)
        self.models = Models()
        self.violations: list[str] = []
        self.requests: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self._faults = Faults(random.Random(seed))
        self._counts: Counter[str] = Counter()
        self._live = self._most_live = self._made = 0
        self._stopping = asyncio.Event()
        self._api = Site(self._routes(), body_max_bytes=BODY_MAX_BYTES)
        self._control = control_site(self)

    @property
    def url(self) -> str:
        return f"{self._api.url}/v1"

    @property
    def control_url(self) -> str:
        return self._control.url

    async def start(self, host: str = "127.0.0.1", port: int = 0, control_port: int = 0) -> None:
        self._stopping.clear()
        await self._api.start(host, port)
        await self._control.start(host, control_port)

    async def stop(self) -> None:
        self._stopping.set()
        await self._api.stop()
        await self._control.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def arm(self, point: str, times: int = 1, **options: Any) -> None:
        """Let the next `times` requests meet this fault; see `chat_faults.POINTS`."""
        self._faults.arm(point, times, options)

    def reset(self) -> None:
        self._faults.clear()
        self.models = Models()
        self.violations.clear()
        self.requests.clear()
        self._counts.clear()
        self._most_live = self._live

    def state(self) -> dict[str, Any]:
        return {
            "counts": dict(self._counts),
            "live": self._live,
            "most_live": self._most_live,
            "violations": list(self.violations),
            "faults": self._faults.state(),
            "models": [model.shown() for model in self.models.all()],
            "requests": list(self.requests),
        }

    def _routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/chat/completions", self._ask),
            web.post("/v1/responses", self._ask),
            web.get("/v1/models", self._list_models),
            web.get("/v1/models/{id}", self._show_model),
            web.route("*", "/{path:.*}", self._nowhere),
        ]

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        self._live += 1
        self._most_live = max(self._most_live, self._live)
        try:
            return await self._answered(request)
        except ApiError as error:
            self._refused(request, error)
            return self._reply(error.body, error.status, error.headers)
        finally:
            self._live -= 1

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        self._authorise(request)
        try:
            body = json.loads(await request.read())
        except ValueError:
            raise bad("We could not parse the JSON body of your request.", None) from None
        if not isinstance(body, dict):
            raise bad("We could not parse the JSON body of your request.", None)
        read, shape = _READERS[request.path.removeprefix("/v1/")]
        try:
            question = read(body, self.models)
        except (TypeError, KeyError, AttributeError, ValueError) as error:  # too wrong to be named
            raise bad(f"Invalid request: {type(error).__name__}.", None) from error
        fault = self._faults.take(question.text)
        said = cut_to(_judged(question), question.limit)
        if fault:
            self._counts[f"fault {fault.point}"] += 1
            refusal = fault.refusal()
            if refusal:
                raise refusal
            said = spoilt(said, fault)
        self._remember(request, question, said)
        self._made += 1
        name = f"{self._seed:08x}{self._made:016x}"
        shaped = shape(question, said, name, int(time.time()))
        return await self._delivered(request, shaped, fault)

    async def _delivered(
        self, request: web.Request, shaped: dict[str, Any], fault: Fault | None
    ) -> web.StreamResponse:
        match fault.point if fault else None:
            case "hang" | "slow":
                assert fault is not None
                wait_s = fault.number("delay_s", fault.number("for_s", HANG_S))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._stopping.wait()
            case "reset":
                _reset(request)
            case "cut_body":
                return await _cut(request, json.dumps(shaped).encode())
            case "garbage":
                return web.Response(text="<html>upstream", content_type="application/json")
        self._counts["200"] += 1
        return self._reply(shaped, 200, {})

    def _authorise(self, request: web.Request) -> None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise no_key()
        if key not in self._keys:
            raise wrong_key()

    def _refused(self, request: web.Request, error: ApiError) -> None:
        self._counts[str(error.status)] += 1
        if error.is_the_clients_mistake:
            self.violations.append(f"{request.method} {request.path}: {error}")

    def _remember(self, request: web.Request, question: Question, said: Said) -> None:
        self.requests.append(
            {
                "path": request.path,
                "model": question.model.name,
                "store": question.store,
                "metadata": question.body.get("metadata") or {},
                "rules": question.rules,
                "said": list(question.said),
                "answer": said.text,
                "refusal": said.refusal,
                "stopped": said.stopped,
            }
        )

    def _reply(self, body: dict[str, Any], status: int, headers: dict[str, str]) -> web.Response:
        known = {
            "x-request-id": f"req_{self._seed:08x}{sum(self._counts.values()):016x}",
            "openai-version": "2020-10-01",
            "openai-organization": "org-simulated",
            "openai-processing-ms": "1",
            "x-ratelimit-limit-requests": "10000",
            "x-ratelimit-limit-tokens": "2000000",
            "x-ratelimit-remaining-requests": "9999",
            "x-ratelimit-remaining-tokens": "1999000",
            "x-ratelimit-reset-requests": "6ms",
            "x-ratelimit-reset-tokens": "30ms",
        }
        return web.json_response(body, status=status, headers=known | headers)

    async def _list_models(self, request: web.Request) -> web.StreamResponse:
        return self._looked_up(
            request,
            lambda: {"object": "list", "data": [model.shown() for model in self.models.all()]},
        )

    async def _show_model(self, request: web.Request) -> web.StreamResponse:
        return self._looked_up(request, lambda: self.models.find(request.match_info["id"]).shown())

    def _looked_up(
        self, request: web.Request, found: Callable[[], dict[str, Any]]
    ) -> web.StreamResponse:
        try:
            self._authorise(request)
            return self._reply(found(), 200, {})
        except ApiError as error:
            self._refused(request, error)
            return self._reply(error.body, error.status, error.headers)

    async def _nowhere(self, request: web.Request) -> web.StreamResponse:
        message = f"Invalid URL ({request.method} {request.path})"
        self.violations.append(message)
        return self._reply(ApiError(404, message).body, 404, {})


def _judged(question: Question) -> Said:
    try:
        return Said(answer(Judgement(transcript(question.said)), question.schema))
    except (RecursionError, ValueError) as error:  # a schema that nothing finite obeys
        raise ApiError(500, "The model produced invalid content.", kind="server_error") from error


def _reset(request: web.Request) -> None:
    """As when a balancer on the way forgets the connection: RST, no goodbye."""
    transport = request.transport
    if transport is not None:
        raw: socket.socket = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


async def _cut(request: web.Request, body: bytes) -> web.StreamResponse:
    """Half of what was promised, then the connection ends."""
    reply = web.StreamResponse(headers={"Content-Type": "application/json"})
    reply.content_length = len(body)
    await reply.prepare(request)
    await reply.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return reply


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--key", action="append", help="an API key it accepts; may be repeated")


async def run(args: argparse.Namespace) -> int:
    simulator = ChatSimulator(seed=args.seed, keys=args.key or ("sk-simulated",))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await simulator.start(args.host, args.port, args.control_port)
    ready = {"ready": "chat", "url": simulator.url, "control": simulator.control_url}
    print(json.dumps(ready), flush=True)
    await stop.wait()
    await simulator.stop()
    if simulator.violations:
        print(json.dumps({"violations": simulator.violations}), flush=True)
        return 3
    return 0
