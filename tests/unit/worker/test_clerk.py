"""A turn is stored when it is told; what was noted beside it travels with it."""

import asyncio
from typing import Any

from callfleet.errors import StoreFault
from callfleet.journal_entries import Entry, Note, Turn
from services.worker.clerk import AGAIN_S, NOTE_WAITS_S, Clerk
from tests.unit.worker.world import START
from tests.virtual_time import run

SPENT = Note("spent", 1, {})
TURN = Turn("agent", "Hello", 0, 1)


class Spool:
    """An open journal that remembers what was sent, and when."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.sent: list[tuple[float, list[Entry]]] = []
        self.unsent = 0
        self.away = 0

    async def append(self, entry: Entry, *, at_once: bool = True) -> None:
        self.entries.append(entry)
        self.unsent += 1
        if at_once and not self.away:
            await self.flush()

    async def flush(self) -> None:
        if self.away:
            self.away -= 1
            raise StoreFault
        self.sent.append((asyncio.get_running_loop().time(), self.entries[-self.unsent :]))
        self.unsent = 0


def written(*told: tuple[float, Entry], away: int = 0) -> list[tuple[float, list[Entry]]]:
    """What reached the store when, of entries told after so many seconds each."""

    async def story() -> list[tuple[float, list[Entry]]]:
        spool: Any = Spool()
        spool.away = away

        class Journals:
            async def open(self, *_: Any) -> Any:
                return spool

        clerk = Clerk(Journals(), START)
        await clerk.open(1)
        began = asyncio.get_running_loop().time()
        writing = asyncio.create_task(clerk.write())
        for after_s, entry in told:
            await asyncio.sleep(after_s)
            clerk.note(entry)
        await asyncio.sleep(60)
        clerk.no_more()
        await writing
        return [(round(at - began, 3), entries) for at, entries in spool.sent]

    return run(story())


def test_a_turn_is_stored_at_once_and_takes_the_notes_along() -> None:
    assert written((0, SPENT), (3, TURN)) == [(3, [SPENT, TURN])]


def test_a_note_waits_only_so_long() -> None:
    assert written((0, SPENT)) == [(NOTE_WAITS_S, [SPENT])]


def test_a_turn_that_was_not_taken_is_offered_again_soon() -> None:
    # Redis is away for two tries, and a note told meanwhile does not slow them down.
    assert written((0, TURN), (0.5, SPENT), away=2) == [(0.5 + 3 * AGAIN_S, [TURN, SPENT])]
