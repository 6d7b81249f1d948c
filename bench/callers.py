"""Callers whose every frame is timed: Twilio's stream protocol, nothing more than needed.

Each 160-byte frame opens with its call's number and its own, so that a frame that comes back says
when it left, and a lost or reordered one is seen. Calls are spread evenly over the 20 ms of a
frame, as real ones are.
"""

import asyncio
import base64
import json
import struct
import time
from array import array

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

FRAME_S = 0.02
_FRAME_BYTES = 160
_HEAD = struct.Struct("<4sII")
_MAGIC = b"\x01\xfe\x02\xfd"
_FILLING = b"\x55" * (_FRAME_BYTES - _HEAD.size)
_PAYLOAD = b'"payload":"'
_MARK = b'"mark"'


class Call(WSListener):
    """One caller on one stream."""

    def __init__(self, number: int, start: dict[str, object]) -> None:
        self.number = number
        self.sent_at = array("d")
        self.latencies = array("d")  # seconds, in order of arrival
        self.arrived_at = array("d")
        self.received = 0
        self.reordered = 0
        self.open = False
        self._expected = 0
        self._sequence = 1  # the start message was the first
        self._start = start
        self._prefix = b""

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        sid = str(self._start["streamSid"])
        hello = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
        transport.send(WSMsgType.TEXT, json.dumps(hello).encode())
        transport.send(WSMsgType.TEXT, json.dumps(self._start).encode())
        self._prefix = b'","streamSid":"' + sid.encode() + b'","media":{"track":"inbound","chunk":"'
        self.open = True

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        self.open = False

    def speak(self) -> None:
        """Send the next frame."""
        if not self.open:
            return
        number = len(self.sent_at)
        audio = base64.b64encode(_HEAD.pack(_MAGIC, self.number, number) + _FILLING)
        count = self._next_sequence()
        chunk = b'%d","timestamp":"%d","payload":"' % (number + 1, number * 20)
        message = b'{"event":"media","sequenceNumber":"' + count + self._prefix + chunk
        self.sent_at.append(time.perf_counter())
        self._transport.send(WSMsgType.TEXT, message + audio + b'"}}')

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
            return
        now = time.perf_counter()
        message = frame.get_payload_as_bytes()
        start = message.find(_PAYLOAD)
        if start >= 0:
            start += len(_PAYLOAD)
            audio = base64.b64decode(message[start : message.index(b'"', start)])
            for offset in range(0, len(audio), _FRAME_BYTES):
                self._heard(audio, offset, now)
        elif _MARK in message:  # played at once: marks come back as Twilio's do
            count = b'{"sequenceNumber":"' + self._next_sequence() + b'",'
            transport.send(WSMsgType.TEXT, count + message[1:])

    def _next_sequence(self) -> bytes:
        self._sequence += 1
        return b"%d" % self._sequence

    def _heard(self, audio: bytes, offset: int, now: float) -> None:
        magic, number, sequence = _HEAD.unpack_from(audio, offset)
        if magic != _MAGIC or number != self.number:
            raise AssertionError(f"call {self.number} heard what it did not say")
        self.received += 1
        self.reordered += sequence != self._expected
        self._expected = sequence + 1
        self.latencies.append(now - self.sent_at[sequence])
        self.arrived_at.append(now)

    def hang_up(self) -> None:
        if self.open:
            stop = {"event": "stop", "streamSid": self._start["streamSid"]}
            self._transport.send(WSMsgType.TEXT, json.dumps(stop).encode())
            self._transport.send_close(WSCloseCode.OK, b"")
            self._transport.disconnect()


async def connect(call: Call, url: str, headers: dict[str, str] | None = None) -> None:
    await ws_connect(lambda: call, url, extra_headers=headers)


class Ticker:
    """Lets every call speak once each 20 ms, spread evenly."""

    def __init__(self, calls: list[Call]) -> None:
        self._calls = calls
        self._running = False

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._running = True
        began, slot, slots = loop.time(), 0, 20
        while self._running:
            for call in self._calls[slot % slots :: slots]:
                call.speak()
            slot += 1
            due = began + slot * FRAME_S / slots
            await asyncio.sleep(max(0.0, due - loop.time()))

    def stop(self) -> None:
        self._running = False
