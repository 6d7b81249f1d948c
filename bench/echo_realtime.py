"""A Realtime API that returns every frame at once: the cheapest one that a worker will talk to.

It answers the handshake and `session.update` as the real one does, then each
`input_audio_buffer.append` becomes one `response.output_audio.delta` of the same audio, inside a
response that never ends. What it costs is the harness's cost, so nothing is parsed that need not
be. Correctness is the strict simulator's business (`simulators/realtime.py`), not this one's.
"""

import asyncio
import json
import time
from itertools import count

from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

_KEY = b'"audio":"'
_DELTA = (
    b'{"type":"response.output_audio.delta","event_id":"event_e","response_id":"resp_e",'
    b'"item_id":"item_e","output_index":0,"content_index":0,"delta":"'
)
_ITEM = {
    "id": "item_e",
    "object": "realtime.item",
    "type": "message",
    "role": "assistant",
    "status": "in_progress",
    "content": [],
}
_names = count()


def _event(kind: str, **fields: object) -> bytes:
    return json.dumps({"type": kind, "event_id": f"event_{next(_names)}", **fields}).encode()


def _session() -> dict[str, object]:
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": f"sess_{next(_names)}",
        "model": "gpt-realtime-2.1",
        "expires_at": int(time.time()) + 3600,
    }


class _Session(WSListener):
    """One worker's session."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._speaking = False
        self._say(_event("session.created", session=_session()))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), b"")
            transport.disconnect()
            return
        payload = frame.get_payload_as_bytes()
        start = payload.find(_KEY)
        if start >= 0 and b"input_audio_buffer.append" in payload:
            if not self._speaking:
                self._start_response()
            audio = payload[start + len(_KEY) : payload.index(b'"', start + len(_KEY))]
            self._say(_DELTA + audio + b'"}')
        elif b"session.update" in payload:
            self._say(_event("session.updated", session=_session()))

    def _start_response(self) -> None:
        self._speaking = True
        response = {
            "id": "resp_e",
            "object": "realtime.response",
            "status": "in_progress",
            "output": [],
        }
        part = {"type": "audio", "transcript": ""}
        self._say(_event("response.created", response=response))
        where = {"response_id": "resp_e", "output_index": 0}
        self._say(_event("response.output_item.added", item=_ITEM, **where))
        self._say(_event("conversation.item.added", item=_ITEM))
        where = {**where, "item_id": "item_e", "content_index": 0}
        self._say(_event("response.content_part.added", part=part, **where))

    def _say(self, event: bytes) -> None:
        self._transport.send(WSMsgType.TEXT, event)


def _accept(_request: WSUpgradeRequest) -> WSListener:
    return _Session()


async def serve() -> tuple[asyncio.Server, str]:
    """Listen on loopback; the server and the URL for OPENAI_REALTIME_URL."""
    server = await ws_create_server(_accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    return server, f"ws://127.0.0.1:{port}/v1/realtime"
