"""The yardstick: the least a process can do between a carrier and the Realtime API.

One hop, one process, no features: no webhook, no limit, no journal, no metrics, no barge-in. It
turns `media` into `input_audio_buffer.append` and deltas into `media`. Once with picows, the
fastest WebSocket library there is for Python, and once with aiohttp.
"""

import argparse
import asyncio
import json

import aiohttp
import uvloop
from aiohttp import web
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect, ws_create_server

_PAYLOAD = b'"payload":"'
_DELTA = b'"delta":"'
_APPEND = b'{"type":"input_audio_buffer.append","audio":"'
_UPDATE = json.dumps({"type": "session.update", "session": {"type": "realtime"}})


def _between(message: bytes, key: bytes) -> bytes | None:
    start = message.find(key)
    if start < 0:
        return None
    start += len(key)
    return message[start : message.index(b'"', start)]


def _media(stream_sid: bytes) -> bytes:
    return b'{"event":"media","streamSid":"' + stream_sid + b'","media":{"payload":"'


class _Api(WSListener):
    def __init__(self, leg: "_Leg") -> None:
        self._leg = leg

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, _UPDATE.encode())

    def on_ws_frame(self, _transport: WSTransport, frame: WSFrame) -> None:
        audio = _between(frame.get_payload_as_bytes(), _DELTA)
        if audio is not None:
            self._leg.transport.send(WSMsgType.TEXT, self._leg.media + audio + b'"}}')


class _Leg(WSListener):
    def __init__(self, realtime_url: str) -> None:
        self._realtime_url = realtime_url
        self._api: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self._connecting = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        self._api, _ = await ws_connect(lambda: _Api(self), self._realtime_url)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
            return
        message = frame.get_payload_as_bytes()
        audio = _between(message, _PAYLOAD)
        if audio is not None and self._api is not None:
            self._api.send(WSMsgType.TEXT, _APPEND + audio + b'"}')
        elif b'"start"' in message:
            self.media = _media(_between(message, b'"streamSid":"') or b"")

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        if self._api is not None:
            self._api.disconnect()


async def _serve_picows(realtime_url: str) -> int:
    server = await ws_create_server(lambda _request: _Leg(realtime_url), "127.0.0.1", 0)
    return int(server.sockets[0].getsockname()[1])


async def _relay_aiohttp(request: web.Request) -> web.WebSocketResponse:
    leg = web.WebSocketResponse(compress=False)
    await leg.prepare(request)
    client: aiohttp.ClientSession = request.app["client"]
    async with client.ws_connect(request.app["realtime_url"], compress=0) as api:
        await api.send_str(_UPDATE)
        media = b""

        async def back() -> None:
            async for message in api:
                audio = _between(message.data.encode(), _DELTA)
                if audio is not None:
                    await leg.send_str((media + audio + b'"}}').decode())

        task = asyncio.create_task(back())
        async for message in leg:
            data = message.data.encode()
            audio = _between(data, _PAYLOAD)
            if audio is not None:
                await api.send_str((_APPEND + audio + b'"}').decode())
            elif b'"start"' in data:
                media = _media(_between(data, b'"streamSid":"') or b"")
        task.cancel()
    return leg


async def _serve_aiohttp(realtime_url: str) -> int:
    app = web.Application()
    app["client"] = aiohttp.ClientSession()
    app["realtime_url"] = realtime_url
    app.router.add_get("/media", _relay_aiohttp)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return int(runner.addresses[0][1])


async def main(library: str, realtime_url: str) -> None:
    serve = {"picows": _serve_picows, "aiohttp": _serve_aiohttp}[library]
    port = await serve(realtime_url)
    print(json.dumps({"ready": library, "url": f"ws://127.0.0.1:{port}/media"}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", choices=["picows", "aiohttp"])
    parser.add_argument("realtime_url")
    chosen = parser.parse_args()
    uvloop.run(main(chosen.library, chosen.realtime_url))
