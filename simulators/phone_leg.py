"""One media stream of one call: the handshake, the frames, the faults, and the end, with the
carrier's error codes.

`Line` knows the protocol and `MediaSocket` the wire; this is where they meet, and where named
faults strike.
"""

import asyncio
import functools
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

from websockets.uri import parse_uri

from simulators.phone_caller import Caller
from simulators.phone_faults import Fault, Faults
from simulators.phone_line import Line, ProtocolBroken
from simulators.phone_playout import FRAME_MS
from simulators.phone_report import StreamLog
from simulators.phone_signature import HEADER, sign
from simulators.phone_socket import Closed, HandshakeRefused, MediaSocket
from simulators.phone_twiml import Stream
from simulators.phone_web import Web

CONNECT_LIMIT_S = 5.0
_GOODBYE_S = 5.0
_SLOW_PEER_BYTES = 256 * 1024


@functools.cache
def _trust() -> ssl.SSLContext:
    """Whom the carrier believes: slow to build, so built once."""
    return ssl.create_default_context()


class StreamFailed(Exception):
    """The stream could not be opened."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Leg:
    """A stream while it is open. `now` tells the call's milliseconds."""

    def __init__(self, line: Line, log: StreamLog, caller: Caller, now: Callable[[], int]) -> None:
        self._line, self._log, self._caller, self._now = line, log, caller, now
        self._socket: MediaSocket | None = None
        self._faults: list[Fault] = []
        self._flooded = 0
        self._muted_until_ms = -1

    async def open(self, stream: Stream, web: Web, faults: Faults, number: int) -> None:
        """Dial the stream's URL and begin; raises `StreamFailed`."""
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                socket = await self._dial(stream.url, web, faults, number)
        except TimeoutError:
            raise StreamFailed(31901, f"no connection within {CONNECT_LIMIT_S:.0f} s") from None
        except HandshakeRefused as refusal:
            raise StreamFailed(31920, f"the handshake was answered with {refusal}") from None
        except ConnectionRefusedError:
            raise StreamFailed(31902, "connection refused") from None
        except ssl.SSLError as error:
            raise StreamFailed(31910, f"TLS: {error}") from None
        except OSError as error:
            raise StreamFailed(31903, f"connection lost in the handshake: {error}") from None
        parameters = dict(stream.parameters)
        if wrong := faults.find("wrong_parameters", number):
            parameters = dict(wrong.parameters)
        with_start = faults.find("no_start", number) is None
        self._faults = faults.timed(number)
        socket.send(self._line.begin(parameters, self._now(), with_start=with_start))

    async def _dial(self, url: str, web: Web, faults: Faults, number: int) -> MediaSocket:
        where, headers = web.addresses.locate(url)
        headers["User-Agent"] = "Twilio.TmeWs/1.0"
        token = "forged" if faults.find("forged_upgrade", number) else web.auth_token
        if not faults.find("unsigned_upgrade", number):
            headers[HEADER] = sign(token, url)
        address = parse_uri(where)
        socket = self._socket = MediaSocket(address, headers, self._on_text, self._on_binary)
        secure = _trust() if address.secure else None
        await asyncio.get_running_loop().create_connection(
            lambda: socket,
            address.host,
            address.port,
            ssl=secure,
            server_hostname=urlsplit(url).hostname if secure else None,
        )
        try:
            await socket.opened
        except BaseException:
            socket.abort()
            raise
        return socket

    @property
    def is_open(self) -> bool:
        """Whether there was a handshake, and no end yet."""
        return self._socket is not None and self._log.started_ms >= 0 and self._log.ended_ms < 0

    @property
    def started_ms(self) -> int:
        return self._log.started_ms

    @property
    def closed(self) -> asyncio.Future[Closed]:
        assert self._socket is not None, "the leg was not opened"
        return self._socket.closed

    async def hang_up(self) -> Closed:
        """`stop`, then a goodbye: the call went on to something else, or is over."""
        assert self._socket is not None, "the leg was not opened"
        self._socket.send([self._line.end(self._now())])
        self._socket.close()
        async with asyncio.timeout(_GOODBYE_S):
            return await asyncio.shield(self._socket.closed)

    def finish(self) -> None:
        """The server or the network ended it: nothing more is played."""
        self._line.end(self._now())

    def protocol_error(self) -> str:
        return self._socket.protocol_error if self._socket else ""

    def hear(self, now_ms: int) -> tuple[bytes, list[bytes]]:
        return self._line.play(now_ms)

    def speak(self, frame: bytes | None, echoes: list[bytes], now_ms: int) -> None:
        """20 ms from the mouth, with whatever else is due, in one write."""
        assert self._socket is not None, "the leg was not opened"
        if self._log.first_audio_ms is None and self._caller.agent_is_speaking:
            self._log.first_audio_ms = now_ms - self._log.started_ms
        if self._caller.hears_other_sound:
            self._log.other_sound_ms += FRAME_MS
        if self._faults:
            self._strike(now_ms)
        messages = echoes
        if now_ms < self._muted_until_ms:
            self._line.skip()
        elif self._socket.unsent_bytes > _SLOW_PEER_BYTES:
            self._line.skip()
            self._line.complain(31930, "the application reads too slowly: audio discarded", now_ms)
        else:
            messages.append(self._line.speak(frame))
        while self._caller.keys:
            messages.append(self._line.press(self._caller.keys.popleft()))
        self._socket.send(messages)

    def _on_text(self, text: bytes) -> None:
        now_ms = self._now()
        assert self._socket is not None, "the leg was not opened"
        try:
            answers, dropped_ms = self._line.receive(text, now_ms)
        except ProtocolBroken as broken:
            self._socket.close(1002, str(broken)[:100])
            return
        if dropped_ms is not None:
            self._caller.cleared(now_ms, dropped_ms)
        if answers:
            self._socket.send(answers)

    def _on_binary(self, data: bytes) -> None:
        self._line.receive_binary(data, self._now())

    def _strike(self, now_ms: int) -> None:
        while self._faults and self._faults[-1].at_ms <= now_ms - self._log.started_ms:
            self._strike_with(self._faults.pop(), now_ms)

    def _strike_with(self, fault: Fault, now_ms: int) -> None:
        assert self._socket is not None, "the leg was not opened"
        match fault.kind:
            case "lose_socket":
                self._socket.abort()
            case "malformed":
                self._socket.send([fault.text.encode()])
            case "binary":
                self._socket.send_binary(b"\xff" * 160)
            case "oversized":
                self._socket.send([b'{"event":"' + b"x" * fault.size + b'"}'])
            case "flood":
                self._socket.send([self._line.speak(None) for _ in range(fault.count)])
            case "scramble":
                self._line.scramble()
            case "slow_reader":
                self._socket.pause_reading(fault.lasts_ms / 1000)
            case "mute":
                self._muted_until_ms = now_ms + fault.lasts_ms
