"""What was sent towards the caller's ear and what has arrived there, to the byte. Pure.

Theory of operation. Sound from the API arrives faster than it can be heard, so at any moment some
of it lies in the carrier's buffer. The carrier echoes a mark once everything before it was played;
a mark is placed after every 200 ms sent and at each item's end, so what was heard is known to
200 ms, always on the low side. Nothing counts as heard without a mark, and nothing beyond what was
sent.

Marks are numbered in the order they were placed. A lost one is covered by the next: whoever heard
number seven heard number six. After `stop` the carrier echoes what it threw away as if it had been
played; those marks are forgotten here first, so their echoes mean nothing.
"""

from collections import deque
from dataclasses import dataclass, field

from callfleet.audio import AudioFormat
from services.worker.dialogue import Command, PlaceMark, Play

MARK_EVERY_MS = 200


@dataclass(slots=True)
class Item:
    """One stretch of the agent's speech."""

    name: str
    sent: int = 0  # bytes
    heard: int = 0
    complete: bool = False  # nothing more will be sent

    @property
    def all_heard(self) -> bool:
        return self.complete and self.heard == self.sent


@dataclass(frozen=True, slots=True)
class _Mark:
    number: int
    item: Item
    position: int  # bytes of the item that lie before it


@dataclass(slots=True)
class Playout:
    """The ledger of one call."""

    fmt: AudioFormat
    _live: dict[str, Item] = field(default_factory=dict)  # in the order of their first byte
    _marks: deque[_Mark] = field(default_factory=deque)
    _placed: int = 0
    _unmarked: int = 0  # bytes sent since the last mark

    def play(self, name: str, audio: bytes) -> list[Command]:
        """Send the next sound of an item, cut where a mark belongs."""
        item = self._live.get(name)
        if item is None:
            item = self._live[name] = Item(name)
        step, size = self.fmt.bytes_per_ms * MARK_EVERY_MS, len(audio)
        if 0 < size < step - self._unmarked:  # the common case, fifty times a second
            item.sent += size
            self._unmarked += size
            return [Play(audio)]
        commands: list[Command] = []
        start = 0
        while start < len(audio):
            piece = audio[start : start + step - self._unmarked]
            start += len(piece)
            item.sent += len(piece)
            self._unmarked += len(piece)
            commands.append(Play(piece))
            if self._unmarked >= step:
                commands.append(self._place_mark(item))
        return commands

    def finish(self, name: str) -> list[Command]:
        """The item is complete: one more mark, unless one lies at its end already."""
        item = self._live.get(name)
        if item is None or item.complete:
            return []
        item.complete = True
        last = self._marks[-1] if self._marks else None
        if item.all_heard or (last and last.item is item and last.position == item.sent):
            return []
        return [self._place_mark(item)]

    def heard(self, mark: str) -> list[Item]:
        """The caller heard up to this mark; returns the items it brought to their end."""
        number = int(mark) if mark.isdecimal() and len(mark) < 10 else -1
        ended = []
        while self._marks and self._marks[0].number <= number:
            passed = self._marks.popleft()
            passed.item.heard = passed.position
            if passed.item.all_heard:
                ended.append(self._close(passed.item))
        return ended

    def unfinished(self) -> list[Item]:
        return [item for item in self._live.values() if not item.complete]

    def heard_before_complete(self) -> list[Item]:
        """Items of which everything was heard before it was known that nothing more would come."""
        return [self._close(item) for item in list(self._live.values()) if item.all_heard]

    def stop(self) -> list[Item]:
        """Nothing more of what was sent will be heard; returns what was cut short."""
        self._marks.clear()
        self._unmarked = 0
        return [self._close(item) for item in list(self._live.values())]

    def heard_ms(self, item: Item) -> int:
        return self.fmt.ms(item.heard)

    def sent_ms(self, item: Item) -> int:
        return self.fmt.ms(item.sent)

    @property
    def unheard_ms(self) -> int:
        return sum(self.fmt.ms(item.sent - item.heard) for item in self._live.values())

    @property
    def busy(self) -> bool:
        """Something was begun and not heard to its end."""
        return bool(self._live)

    def _place_mark(self, item: Item) -> PlaceMark:
        self._placed += 1
        self._unmarked = 0
        self._marks.append(_Mark(self._placed, item, item.sent))
        return PlaceMark(str(self._placed))

    def _close(self, item: Item) -> Item:
        del self._live[item.name]
        return item
