"""What was sent towards the caller's ear and what has arrived there, to the byte. Pure.

Theory of operation. Sound from the API arrives faster than it can be heard. At most a few seconds
of it are sent ahead into the carrier's buffer, so that emptying that buffer is cheap; the rest
waits here, and follows as the caller hears. The carrier echoes a mark once everything before it was
played; a mark is placed after every 200 ms sent and at each item's end, so what was heard is known
to 200 ms, always on the low side. Nothing counts as heard beyond what was sent.

Marks are numbered in the order they were placed. A lost one is covered by the next: whoever heard
number seven heard number six. After `stop` the carrier echoes what it threw away as if it had been
played; those marks are forgotten here first, so their echoes mean nothing. When marks are long
overdue (a carrier that has none, or lost them) the clock says what was heard, less a margin.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from callfleet.audio import AudioFormat
from services.worker.dialogue import Command, PlaceMark, Play, StartTimer, Timer

MARK_EVERY_MS: Final = 200
AHEAD_MS: Final = 4_000  # so much may lie in the carrier's buffer
REFILL_MS: Final = 2_000  # more is sent when so little is left there
PIECE_MS: Final = 1_000
WAITING_MAX_MS: Final = 300_000  # a longer answer nobody listens to; see `full`
MARKS_LATE_MS: Final = 1_500  # from then on the clock is believed instead
CLOCK_MARGIN_MS: Final = 300  # what the way to the ear may take


@dataclass(slots=True)
class Item:
    """One stretch of the agent's speech."""

    name: str
    begins_ms: float = 0.0  # when its first byte should be heard; later, if there was a gap since
    received: int = 0  # bytes
    sent: int = 0
    heard: int = 0
    complete: bool = False  # nothing more will come
    foreign: bool = False  # the session in use has no such item

    @property
    def all_sent(self) -> bool:
        return self.complete and self.sent == self.received

    @property
    def all_heard(self) -> bool:
        return self.all_sent and self.heard == self.sent


@dataclass(frozen=True, slots=True)
class _Mark:
    number: int
    item: Item
    position: int  # bytes of the item that lie before it
    total: int  # bytes of everything that do
    due_ms: float


@dataclass(slots=True)
class Playout:
    """The ledger of one call."""

    fmt: AudioFormat
    _live: dict[str, Item] = field(default_factory=dict)  # in the order of their first byte
    _marks: deque[_Mark] = field(default_factory=deque)
    _waiting: deque[tuple[Item, bytes]] = field(default_factory=deque)
    _waiting_bytes: int = 0
    _placed: int = 0
    _unmarked: int = 0  # bytes sent since the last mark
    _total: int = 0  # bytes sent
    _per_ms: int = 0  # as the format has it: reckoned once
    _step: int = 0
    _dry_ms: float = 0.0  # when the carrier's buffer will be empty, by the clock and the marks

    def __post_init__(self) -> None:
        self._per_ms = self.fmt.bytes_per_ms
        self._step = self._per_ms * MARK_EVERY_MS

    def play(self, name: str, audio: bytes, now_ms: int) -> list[Command]:
        """The next sound of an item: sent, cut where a mark belongs, or kept for later."""
        item = self._live.get(name)
        if item is None:
            item = self._live[name] = Item(name)
        size = len(audio)
        item.received += size
        ahead_ms = self._dry_ms - now_ms
        if self._waiting or ahead_ms > AHEAD_MS:
            return self._wait(item, audio)
        if item.sent and ahead_ms >= 0 and 0 < size < self._step - self._unmarked:
            self._dry_ms += size / self._per_ms  # the common case, fifty times a second
            item.sent += size
            self._total += size
            self._unmarked += size
            return [Play(audio)]
        if size > PIECE_MS * self._per_ms:
            return self._in_pieces(item, audio, now_ms)
        return self._send(item, audio, now_ms)

    def _in_pieces(self, item: Item, audio: bytes, now_ms: int) -> list[Command]:
        step = self.fmt.bytes(PIECE_MS)
        orders: list[Command] = []
        for start in range(0, len(audio), step):
            piece = audio[start : start + step]
            if self._waiting or self._dry_ms - now_ms > AHEAD_MS:
                orders += self._wait(item, piece)
            else:
                orders += self._send(item, piece, now_ms)
        return orders

    def _wait(self, item: Item, audio: bytes) -> list[Command]:
        first = not self._waiting
        step = self.fmt.bytes(PIECE_MS)
        for start in range(0, len(audio), step):
            self._waiting.append((item, audio[start : start + step]))
        self._waiting_bytes += len(audio)
        return [StartTimer(Timer.PLAY_DUE, AHEAD_MS - REFILL_MS)] if first else []

    def release(self, now_ms: int) -> list[Command]:
        """Send of what waits as much as there is room for."""
        orders: list[Command] = []
        while self._waiting and self._dry_ms - now_ms <= AHEAD_MS:
            item, audio = self._waiting.popleft()
            self._waiting_bytes -= len(audio)
            orders += self._send(item, audio, now_ms)
            if item.all_sent:
                orders += self._mark_end(item)
        if self._waiting:
            wait_ms = max(20, int(self._dry_ms - now_ms) - REFILL_MS)
            orders.append(StartTimer(Timer.PLAY_DUE, wait_ms))
        return orders

    @property
    def full(self) -> bool:
        """More waits than anybody will listen to."""
        return self._waiting_bytes > WAITING_MAX_MS * self._per_ms

    def _send(self, item: Item, audio: bytes, now_ms: int) -> list[Command]:
        per_ms, size, step = self._per_ms, len(audio), self._step
        gap_ms = now_ms - self._dry_ms
        if gap_ms > 0:
            self._dry_ms = now_ms
            if item.sent:
                item.begins_ms += gap_ms
        if not item.sent:
            item.begins_ms = self._dry_ms
        self._dry_ms += size / per_ms
        orders: list[Command] = []
        start = 0
        while start < size:
            piece = audio[start : start + step - self._unmarked]
            start += len(piece)
            item.sent += len(piece)
            self._total += len(piece)
            self._unmarked += len(piece)
            orders.append(Play(piece))
            if self._unmarked >= step:
                orders.append(self._place_mark(item, self._dry_ms - (size - start) / per_ms))
        return orders

    def finish(self, name: str) -> list[Command]:
        """The item is complete: one more mark, unless one lies at its end already."""
        item = self._live.get(name)
        if item is None or item.complete:
            return []
        item.complete = True
        return self._mark_end(item) if item.all_sent else []

    def _mark_end(self, item: Item) -> list[Command]:
        last = self._marks[-1] if self._marks else None
        if item.all_heard or (last and last.item is item and last.position == item.sent):
            return []
        return [self._place_mark(item, self._dry_ms)]

    def heard(self, mark: str, now_ms: int) -> list[Item]:
        """The caller heard up to this mark; returns the items it brought to their end."""
        number = int(mark) if mark.isdecimal() and len(mark) < 10 else -1
        ended = []
        while self._marks and self._marks[0].number <= number:
            passed = self._marks.popleft()
            left_ms = (self._total - passed.total) / self._per_ms
            self._dry_ms = now_ms + left_ms
            passed.item.heard = passed.position
            if passed.item.all_heard:
                ended.append(self._close(passed.item))
        return ended

    def assume_heard(self) -> list[Item]:
        """No marks come any more: what was sent whole counts as heard."""
        done = [item for item in self._live.values() if item.all_sent]
        for item in done:
            item.heard = item.sent
            self._close(item)
        self._marks = deque(mark for mark in self._marks if mark.item not in done)
        return done

    def unfinished(self) -> list[Item]:
        return [item for item in self._live.values() if not item.complete]

    def heard_before_complete(self) -> list[Item]:
        """Items of which everything was heard before it was known that nothing more would come."""
        return [self._close(item) for item in list(self._live.values()) if item.all_heard]

    def stop(self, now_ms: int) -> list[Item]:
        """Nothing more of what was sent will be heard; returns what was cut short."""
        if self._marks and now_ms > self._marks[0].due_ms + MARKS_LATE_MS:
            self._believe_the_clock(now_ms)
        self._marks.clear()
        self._waiting.clear()
        self._waiting_bytes = self._unmarked = 0
        self._dry_ms = now_ms
        return [self._close(item) for item in list(self._live.values())]

    def _believe_the_clock(self, now_ms: int) -> None:
        for item in self._live.values():
            by_clock = self.fmt.bytes(max(0, int(now_ms - item.begins_ms) - CLOCK_MARGIN_MS))
            item.heard = max(item.heard, min(item.sent, by_clock))

    def estrange(self) -> None:
        """The session that made these items is gone."""
        for item in self._live.values():
            item.foreign = True

    def estrange_one(self, name: str) -> None:
        """No session made this."""
        if (item := self._live.get(name)) is not None:
            item.foreign = True

    @property
    def waits(self) -> bool:
        return bool(self._waiting)

    def heard_ms(self, item: Item) -> int:
        return self.fmt.ms(item.heard)

    def length_ms(self, item: Item) -> int:
        return self.fmt.ms(item.received)

    @property
    def unheard_ms(self) -> int:
        return sum(self.fmt.ms(item.received - item.heard) for item in self._live.values())

    @property
    def busy(self) -> bool:
        """Something was begun and not heard to its end."""
        return bool(self._live)

    def _place_mark(self, item: Item, due_ms: float) -> PlaceMark:
        self._placed += 1
        self._unmarked = 0
        self._marks.append(_Mark(self._placed, item, item.sent, self._total, due_ms))
        return PlaceMark(str(self._placed))

    def _close(self, item: Item) -> Item:
        del self._live[item.name]
        return item
