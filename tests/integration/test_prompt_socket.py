"""The media socket's way past aiohttp's queue, with the aiohttp that is installed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web
from websockets.asyncio.client import ClientConnection, connect

from services.gateway.prompt_socket import PromptSocket


class Server:
    """Receives one message by itself, then listens."""

    def __init__(self) -> None:
        self.received: list[tuple[WSMsgType, object]] = []
        self.heard: list[bytes] = []
        self.hold = asyncio.Event()
        self.over = asyncio.Event()
        self.changed = asyncio.Event()

    def hear(self, text: bytes) -> None:
        self.heard.append(text)
        self.changed.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        ws = PromptSocket(max_message_bytes=1024, close_limit_s=1.0)
        await ws.prepare(request)
        await self.hold.wait()
        listening = False
        while not ws.closed:
            if not listening and not ws.has_waiting:
                ws.listen(self.hear)
                listening = True
            message = await ws.receive()
            self.received.append((message.type, message.data))
        self.over.set()
        return ws


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Server, ClientConnection]]:
    server = Server()
    app = web.Application()
    app.router.add_get("/", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with connect(
            f"ws://127.0.0.1:{runner.addresses[0][1]}/", compression=None, ping_interval=None
        ) as client:
            yield server, client
    finally:
        await runner.cleanup()


async def until(server: Server, texts: int) -> None:
    async with asyncio.timeout(5):
        while len(server.heard) < texts:
            server.changed.clear()
            await server.changed.wait()


async def test_what_came_before_is_received_and_what_comes_after_is_heard_in_order() -> None:
    async with served() as (server, client):
        await client.send("early")
        await client.send("early too")
        await asyncio.sleep(0.1)
        server.hold.set()
        for number in range(100):
            await client.send(f"text {number}")
        await until(server, 100)
        assert server.received == [(WSMsgType.TEXT, b"early"), (WSMsgType.TEXT, b"early too")]
        assert server.heard == [b"text %d" % number for number in range(100)]


async def test_a_goodbye_a_ping_and_binary_still_arrive_the_usual_way() -> None:
    async with served() as (server, client):
        server.hold.set()
        await client.send("one")
        await client.send(b"binary")
        await client.ping(b"ping")
        await until(server, 1)
        await client.close(1000, "bye")
        async with asyncio.timeout(5):
            await server.over.wait()
        kinds = [kind for kind, _ in server.received]
        assert kinds == [WSMsgType.BINARY, WSMsgType.PING, WSMsgType.CLOSE]
        assert server.heard == [b"one"]


async def test_a_message_beyond_the_bound_ends_the_socket() -> None:
    async with served() as (server, client):
        server.hold.set()
        await client.send("x" * 2000)
        async with asyncio.timeout(5):
            await client.wait_closed()
            await server.over.wait()
        assert client.close_code == 1009
        assert server.heard == []
        assert server.received[-1][0] is WSMsgType.ERROR


async def test_a_message_in_several_frames_is_heard_whole() -> None:
    async with served() as (server, client):
        server.hold.set()
        await client.send(["in ", "three ", "frames"])
        await until(server, 1)
        assert server.heard == [b"in three frames"]
