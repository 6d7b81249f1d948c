"""One call on a link: what its two ends hold in hand.

A stream borrows its connection: sending appends to the connection's batch, and what arrives is
handed to the receiver by the connection's one reader. Nothing here waits, so nothing here can make
another call wait.
"""

import asyncio
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from callfleet import link
from callfleet.calls import EndReason
from callfleet.link import Accepted, Close, Frame, Refused


class StreamReceiver(Protocol):
    """What a call wants to hear of its stream. Called from the connection's reader: be quick.

    A gateway hears audio, marks (asks), clear, close, lost; a worker hears audio, marks (answers),
    digits, close, lost. After `on_close` or `on_lost`, or one's own `close`, nothing more comes.
    """

    def on_audio(self, audio: bytes) -> None: ...
    def on_mark(self, name: str) -> None: ...
    def on_clear(self) -> None: ...
    def on_dtmf(self, digit: str) -> None: ...
    def on_close(self, reason: EndReason) -> None: ...
    def on_lost(self) -> None: ...


class WhenFull(Enum):
    """What happens to audio that waits too long for the link: the sending end's policy."""

    DROP_OLDEST = link.CALLER_AUDIO_BOUND
    CLOSE_STREAM = link.AGENT_AUDIO_BOUND


@dataclass(slots=True)
class LinkTotals:
    """Counted in plain integers, read by the service's metrics when they are scraped."""

    messages_in: int = 0
    messages_out: int = 0
    frames_in: int = 0
    frames_out: int = 0
    audio_dropped: int = 0  # frames of a caller's audio that a slow link cost
    frames_ignored: int = 0  # for streams already over, or of kinds not known here
    streams_expelled: int = 0  # closed by us: full, nonsense, or their receiver failed
    connections_lost: int = 0  # with calls on them


class Outlet(Protocol):
    """What a stream needs of its connection."""

    when_full: WhenFull
    bound: int
    batch: int

    def put(self, frame: bytes) -> None: ...
    def drop_audio(self, stream_id: int, start: int) -> tuple[int, int]: ...
    def expel(self, stream: "Stream", why: str) -> None: ...
    def forget(self, stream: "Stream") -> None: ...


class Stream:
    """One call on a link. Sending never blocks, and after the end it does nothing."""

    __slots__ = ("_batch", "_oldest", "_outlet", "_waiting", "answer", "id", "receiver")

    def __init__(self, outlet: Outlet, stream_id: int) -> None:
        self.id = stream_id
        self.receiver: StreamReceiver = _NOBODY
        self.answer: asyncio.Future[Accepted | Refused | None] | None = None  # result None: lost
        self._outlet: Outlet | None = outlet
        self._batch = -1  # the batch that the two below speak of
        self._waiting = 0  # bytes of our audio in it
        self._oldest = 0  # no audio of ours lies before this index in it

    @property
    def is_open(self) -> bool:
        return self._outlet is not None

    @property
    def is_taken(self) -> bool:
        """The worker has said yes: from here on its receiver is told how it ends."""
        if self.answer is None:
            return True  # this is the worker's end
        return self.answer.done() and isinstance(self.answer.result(), Accepted)

    def send_audio(self, audio: bytes) -> None:
        """Policy when the link is slow: see `WhenFull`, which the connection's maker chose."""
        outlet = self._outlet
        if outlet is None:
            return
        size = len(audio)
        if size > link.MAX_PAYLOAD:
            for start in range(0, size, link.MAX_PAYLOAD):
                self.send_audio(audio[start : start + link.MAX_PAYLOAD])
            return
        if self._batch != outlet.batch:
            self._batch, self._waiting, self._oldest = outlet.batch, 0, 0
        self._waiting += size
        if self._waiting > outlet.bound and not self._make_room(outlet):
            return
        outlet.put(link.audio(self.id, audio))

    def send(self, frame: Frame) -> None:
        if self._outlet is not None:
            self._outlet.put(link.encode(self.id, frame))

    def close(self, reason: EndReason) -> None:
        """Tell the other end that the call is over: its receiver gets `on_close`, ours nothing."""
        outlet = self._outlet
        if outlet is not None:
            outlet.put(link.encode(self.id, Close(reason)))
            outlet.forget(self)

    def detach(self) -> None:
        """Only the connection calls this: from here on the stream is deaf and dumb."""
        self._outlet = None
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(None)

    def _make_room(self, outlet: Outlet) -> bool:
        """The bound is passed: do what the policy says. True: there is room now."""
        if outlet.when_full is WhenFull.CLOSE_STREAM:
            outlet.expel(self, "its audio waits too long")
            return False
        while self._waiting > outlet.bound:
            freed, self._oldest = outlet.drop_audio(self.id, self._oldest)
            self._waiting -= freed
        return True


class _Nobody:
    """Hears what comes before anybody listens; nothing does, if both ends keep to the protocol."""

    def on_audio(self, audio: bytes) -> None: ...
    def on_mark(self, name: str) -> None: ...
    def on_clear(self) -> None: ...
    def on_dtmf(self, digit: str) -> None: ...
    def on_close(self, reason: EndReason) -> None: ...
    def on_lost(self) -> None: ...


_NOBODY = _Nobody()
