"""The agent's voice on its way to the caller: sound and words of each item, together. Pure.

Sound is what the ledger of `playout` counts, words are what the `transcript` keeps; an item begins,
is heard or is cut in both at once, and only here, so that they cannot disagree. Recordings of our
own go the same way, but no session knows them and no transcript has them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.worker.dialogue import Command, StartTimer, StopTimer, Timer, Truncate
from services.worker.playout import Item, Playout
from services.worker.transcript import Transcript

HEARD_GRACE_MS: Final = 3_000  # how much later than its length a sound may be confirmed


@dataclass(slots=True)
class Voice:
    playout: Playout
    transcript: Transcript
    muted: bool = False  # what still comes of an interrupted turn is not for the caller
    spoke: bool = False  # the turn under way made a sound
    _item: str = ""  # the item that is sounding: spares a look-up per frame
    _recordings: int = 0

    def begin_turn(self) -> None:
        self.muted = self.spoke = False

    def end_turn(self, now_ms: int) -> list[Command]:
        """No more will come of any item: what was never said to be complete is so now."""
        self.muted = False
        self.transcript.agent_finished_wording()
        return self.complete(now_ms)

    def sound(self, item: str, audio: bytes, now_ms: int) -> list[Command]:
        if self.muted:
            return []
        if item != self._item:
            self._item = item
            self.transcript.agent_started(item, now_ms)
        self.spoke = True
        return self.playout.play(item, audio, now_ms)

    def sound_ended(self, item: str, now_ms: int) -> list[Command]:
        orders = self.playout.finish(item)
        self._heard(self.playout.heard_before_complete(), now_ms)
        return orders + self._expect()

    def complete(self, now_ms: int) -> list[Command]:
        """Nothing more will come: mark the ends of whatever was begun."""
        orders: list[Command] = []
        for item in self.playout.unfinished():
            orders += self.sound_ended(item.name, now_ms)
        return orders

    def break_off(self, now_ms: int) -> list[Command]:
        """The session is gone: what it sent is still heard, what it had yet to send is not."""
        for item in self.playout.unfinished():
            self.transcript.agent_broke_off(item.name, self.playout.length_ms(item))
        orders = self.end_turn(now_ms)
        self.playout.estrange()
        self._item = ""
        return orders

    def interject(self, audio: bytes, now_ms: int) -> list[Command]:
        """Play a recording, after whatever is sounding."""
        self._recordings += 1
        name = f"recording-{self._recordings}"
        orders = self.playout.play(name, audio, now_ms) + self.playout.finish(name)
        self.playout.estrange_one(name)
        return orders + self._expect()

    def words(self, item: str, text: str, now_ms: int) -> None:
        if not self.muted:
            self.transcript.agent_started(item, now_ms)
            self.transcript.agent_words(item, text)

    def said(self, item: str, text: str) -> None:
        if not self.muted:
            self.transcript.agent_said(item, text)

    def heard(self, mark: str, now_ms: int) -> tuple[bool, list[Command]]:
        """The caller heard up to this mark; true when that was the end of an item."""
        ended = self.playout.heard(mark, now_ms)
        self._heard(ended, now_ms)
        orders = self.playout.release(now_ms) if self.playout.waits else []
        if ended and not self.sounding:
            orders.append(StopTimer(Timer.HEARD_DUE))
        return bool(ended), orders

    def assume_heard(self, now_ms: int) -> list[Command]:
        """The marks that should be there are not: the clock has to do."""
        self._heard(self.playout.assume_heard(), now_ms)
        return self._expect()

    def cut(self, now_ms: int) -> list[Command]:
        """Nothing more will be heard of what was sent; says what must be forgotten."""
        orders: list[Command] = []
        for item in self.playout.stop(now_ms):
            heard_ms, length_ms = self.playout.heard_ms(item), self.playout.length_ms(item)
            self.transcript.agent_cut(item.name, heard_ms, length_ms, now_ms)
            if not item.foreign:
                orders.append(Truncate(item.name, heard_ms))
        self._item = ""
        return [*orders, StopTimer(Timer.HEARD_DUE), StopTimer(Timer.PLAY_DUE)]

    @property
    def sounding(self) -> bool:
        return self.playout.busy

    @property
    def broken(self) -> bool:
        """The turn under way has not been said to its end."""
        return not self.spoke or bool(self.playout.unfinished())

    def _expect(self) -> list[Command]:
        if not self.sounding:
            return [StopTimer(Timer.HEARD_DUE)]
        return [StartTimer(Timer.HEARD_DUE, self.playout.unheard_ms + HEARD_GRACE_MS)]

    def _heard(self, items: Iterable[Item], now_ms: int) -> None:
        for item in items:
            self.transcript.agent_heard(item.name, now_ms, self.playout.length_ms(item))
