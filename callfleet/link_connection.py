"""One gateway-worker connection: the shell around callfleet/link.py, the same at both ends.

Frames written within one tick leave as one message, which more than halves the cost of a call. A
link that was quiet for a tick, or has few calls, sends at once, a busy one every 2 ms; always
waiting first cost 7 % less and took twice as long. Nothing is awaited per frame or per stream:
sending appends to a list, and receivers are called from the one reader.

A peer that is dead, frozen or cut off is noticed within 2 s by its silence; then every stream gets
`on_lost`, and each end decides for itself what that means for its calls.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final

from aiohttp import ClientWebSocketResponse, WSMsgType, web

from callfleet import link
from callfleet.calls import CallStart, EndReason
from callfleet.errors import Ending, LinkFault
from callfleet.link import Accepted, Clear, Close, Dtmf, Kind, Mark, Open, Refused
from callfleet.link_pulse import BEAT_S, Pulse
from callfleet.link_stream import LinkTotals, Stream, StreamReceiver, WhenFull

TICK_S: Final = 0.002
BUSY_STREAMS: Final = 8  # below this a tick would gather too little to be worth its wait
CLOSE_LIMIT_S: Final = 0.5
MAX_WIRE_MESSAGE: Final = link.MAX_MESSAGE + link.MAX_PAYLOAD

log = logging.getLogger(__name__)

Taker = Callable[[CallStart, Stream], StreamReceiver]
"""How a worker takes a call, at once. Raises Ending: the call is refused."""


class Connection:
    """One link, seen from one end. `run` is its life."""

    def __init__(
        self,
        ws: ClientWebSocketResponse | web.WebSocketResponse,
        *,
        when_full: WhenFull,
        totals: LinkTotals,
        taker: Taker | None = None,
        idle_limit_s: float | None = None,
    ) -> None:
        self.when_full = when_full
        self.bound: int = when_full.value
        self.batch = 0  # counts what has left, so that streams know when their audio did
        self.streams: dict[int, Stream] = {}
        self.round_trip_s = 0.0
        self._ws = ws
        self._totals = totals
        self._taker = taker
        self._idle_limit_s = idle_limit_s
        self._last_id = 0
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._waker: asyncio.Future[None] | None = None
        self._closing = False
        self._over = False
        self._fault: LinkFault | None = None
        self._loop = asyncio.get_running_loop()
        self._pulse = Pulse(self._loop.time())

    @property
    def is_open(self) -> bool:
        return not (self._over or self._closing or self._fault is not None)

    async def run(self) -> str:
        """Until either end is done or gone; returns why. Then every stream still up is lost."""
        why = "closed"
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read())
                tasks.create_task(self._write())
                tasks.create_task(self._beat())
        except* (LinkFault, OSError) as faults:
            why = str(faults.exceptions[0])
        finally:
            self._over = True
            self._lose_streams()
            await self._hang_up()
        return why

    def close(self) -> None:
        """Send what waits, then let `run` end."""
        self._closing = True
        self._wake()

    def open(self, frame: Open, receiver: StreamReceiver) -> Stream:
        """A new stream; its `answer` tells what the worker says to it."""
        if not self.is_open:
            raise LinkFault("the link is closed")
        self._last_id += 1
        stream = Stream(self, self._last_id)
        stream.receiver = receiver
        stream.answer = self._loop.create_future()
        self.streams[stream.id] = stream
        stream.send(frame)
        return stream

    def forget(self, stream: Stream) -> None:
        self.streams.pop(stream.id, None)
        stream.detach()

    def expel(self, stream: Stream, why: str) -> None:
        """End one stream at both ends because of what it does; no other notices."""
        log.warning("link stream closed: %s", why)
        self._totals.streams_expelled += 1
        stream.send(Close(EndReason.INTERNAL_ERROR))
        self._end(stream, EndReason.INTERNAL_ERROR)

    def _end(self, stream: Stream, reason: EndReason) -> None:
        taken = stream.is_taken
        self.forget(stream)
        try:
            if taken:
                stream.receiver.on_close(reason)
        except Exception:
            log.exception("a call failed while it was told its end")

    def _lose_streams(self) -> None:
        if self.streams and not self._closing:
            self._totals.connections_lost += 1
        for stream in list(self.streams.values()):
            taken = stream.is_taken
            self.forget(stream)
            try:
                if taken:
                    stream.receiver.on_lost()
            except Exception:
                log.exception("a call failed while it was told that its link is lost")

    def put(self, frame: bytes) -> None:
        self._out.append(frame)
        self._out_bytes += len(frame)
        if self._waker is not None:
            self._wake()
        elif self._out_bytes > link.UNSENT_BOUND:
            self._fault = LinkFault("the peer does not read")  # the next beat ends the link
            self._out.clear()

    def _wake(self) -> None:
        waker, self._waker = self._waker, None
        if waker is not None and not waker.done():
            waker.set_result(None)

    def drop_audio(self, stream_id: int, start: int) -> tuple[int, int]:
        """Take the stream's oldest unsent audio out: (bytes freed, where to look next time)."""
        for at in range(start, len(self._out)):
            if (size := link.audio_size(self._out[at], stream_id)) is not None:
                self._out_bytes -= len(self._out[at])
                self._out[at] = b""
                self._totals.audio_dropped += 1
                return size, at + 1
        return self.bound, len(self._out)  # nothing of it waits

    async def _write(self) -> None:
        sent_at = 0.0
        while True:
            if not self._out:
                if self._closing:
                    raise LinkFault("closed by this end")
                self._waker = self._loop.create_future()
                await self._waker
            if len(self.streams) >= BUSY_STREAMS:
                early_s = sent_at + TICK_S - self._loop.time()
                if early_s > 0:
                    await asyncio.sleep(early_s)
                sent_at = self._loop.time()
            frames, self._out, self._out_bytes = self._out, [], 0
            self.batch += 1
            if not frames:
                continue
            self._totals.frames_out += len(frames)
            for message in link.messages(frames):
                self._totals.messages_out += 1
                await self._ws.send_bytes(message)  # waits without limit: the beat is its limit

    async def _read(self) -> None:
        receive, totals = self._ws.receive, self._totals
        while True:
            message = await receive()
            if message.type is not WSMsgType.BINARY:
                raise LinkFault("the peer is gone")
            self._pulse.heard = True
            frames = link.split(message.data)
            totals.messages_in += 1
            totals.frames_in += len(frames)
            self._deliver(frames)

    def _deliver(self, frames: list[tuple[int, int, bytes]]) -> None:
        streams = self.streams
        for kind, stream_id, payload in frames:
            stream = streams.get(stream_id)
            if stream is None:
                self._take_own(kind, stream_id, payload)
                continue
            try:
                if kind == Kind.AUDIO:
                    stream.receiver.on_audio(payload)
                else:
                    self._take(kind, stream, payload)
            except LinkFault as fault:
                self.expel(stream, str(fault))
            except Exception:
                log.exception("a call failed on what its stream brought")
                self.expel(stream, "its receiver failed")

    def _take(self, kind: int, stream: Stream, payload: bytes) -> None:
        match link.decode(kind, payload):
            case Mark(name):
                stream.receiver.on_mark(name)
            case Clear():
                stream.receiver.on_clear()
            case Dtmf(digit):
                stream.receiver.on_dtmf(digit)
            case Close(reason):
                self._end(stream, reason)
            case (Accepted() | Refused()) as answer:
                if stream.answer is not None and not stream.answer.done():
                    stream.answer.set_result(answer)
            case _:
                self._totals.frames_ignored += 1

    def _take_own(self, kind: int, stream_id: int, payload: bytes) -> None:
        """What belongs to no stream: the connection's own frames, new calls, and the late."""
        if kind == Kind.OPEN:
            self._take_open(stream_id, payload)
        elif kind == Kind.PING:
            self.put(link.raw(Kind.PONG, 0, payload[:8]))
        elif kind == Kind.PONG:
            sent_us = int.from_bytes(payload[:8], "little")
            self.round_trip_s = max(0.0, self._loop.time() - sent_us / 1e6)
        else:
            self._totals.frames_ignored += 1

    def _take_open(self, stream_id: int, payload: bytes) -> None:
        if self._taker is None or stream_id <= self._last_id:
            raise LinkFault("a stream was opened that cannot be")
        self._last_id = stream_id
        stream = self.streams[stream_id] = Stream(self, stream_id)
        try:
            frame = link.decode(Kind.OPEN, payload)
            assert isinstance(frame, Open)
            stream.receiver = self._taker(frame.start, stream)
            stream.send(Accepted())
            return
        except Ending as ending:
            refusal = Refused(link.REFUSALS[type(ending)], again=ending.again)
        except Exception:  # perhaps a start that only a newer build understands
            log.exception("a call could not be taken")
            refusal = Refused(EndReason.INTERNAL_ERROR, again=True)
        stream.send(refusal)
        self.forget(stream)

    async def _beat(self) -> None:
        idle_s = 0.0
        while True:
            await asyncio.sleep(BEAT_S)
            now = self._loop.time()
            if not self._pulse.beat(now):
                self._fault = LinkFault("the peer is silent")
            if self._fault is not None:
                raise self._fault
            idle_s = 0.0 if self.streams else idle_s + BEAT_S
            if self._idle_limit_s is not None and idle_s >= self._idle_limit_s:
                self.close()
            self.put(link.raw(Kind.PING, 0, int(now * 1e6).to_bytes(8, "little")))

    async def _hang_up(self) -> None:
        """Close the socket; a peer that does not answer is cut off, not waited for."""
        if not self._closing:
            _cut(self._ws.get_extra_info("socket"))
        try:
            async with asyncio.timeout(CLOSE_LIMIT_S):
                await self._ws.close()
        except (TimeoutError, OSError):
            _cut(self._ws.get_extra_info("socket"))


def _cut(sock: socket.socket | None) -> None:
    """Shut the TCP connection both ways at once, whatever the peer or the buffers say."""
    if sock is None or sock.fileno() < 0:
        return
    # Through a duplicate: uvloop's own socket object does not offer shutdown.
    with socket.fromfd(sock.fileno(), sock.family, sock.type) as duplicate:
        try:
            duplicate.shutdown(socket.SHUT_RDWR)
        except OSError:
            log.debug("the link's socket was closed already")
