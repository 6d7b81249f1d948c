"""The agent's voice on its way to the caller: sound and words of each item, together. Pure.

Sound is what the ledger of `playout` counts, words are what the `transcript` keeps; an item begins,
is heard or is cut in both at once, and only here, so that they cannot disagree.
"""

from dataclasses import dataclass

from services.worker.dialogue import Command, Truncate
from services.worker.playout import Playout
from services.worker.transcript import Transcript


@dataclass(slots=True)
class Voice:
    playout: Playout
    transcript: Transcript
    muted: bool = False  # what still comes of an interrupted turn is not for the caller
    spoke: bool = False  # the turn under way made a sound
    _item: str = ""  # the item that is sounding: spares a look-up per frame

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
        return self.playout.play(item, audio)

    def sound_ended(self, item: str, now_ms: int) -> list[Command]:
        marks = self.playout.finish(item)
        self._heard([ended.name for ended in self.playout.heard_before_complete()], now_ms)
        return marks

    def complete(self, now_ms: int) -> list[Command]:
        """Nothing more will come: mark the ends of whatever was begun."""
        marks: list[Command] = []
        for item in self.playout.unfinished():
            marks += self.sound_ended(item.name, now_ms)
        return marks

    def words(self, item: str, text: str, now_ms: int) -> None:
        if not self.muted:
            self.transcript.agent_started(item, now_ms)
            self.transcript.agent_words(item, text)

    def said(self, item: str, text: str) -> None:
        if not self.muted:
            self.transcript.agent_said(item, text)

    def heard(self, mark: str, now_ms: int) -> bool:
        """The caller heard up to this mark; true when that was the end of an item."""
        ended = [item.name for item in self.playout.heard(mark)]
        self._heard(ended, now_ms)
        return bool(ended)

    def cut(self, now_ms: int) -> list[Truncate]:
        """Nothing more will be heard of what was sent; says what must be forgotten."""
        truncations = []
        for item in self.playout.stop():
            heard_ms, sent_ms = self.playout.heard_ms(item), self.playout.sent_ms(item)
            self.transcript.agent_cut(item.name, heard_ms, sent_ms, now_ms)
            truncations.append(Truncate(item.name, heard_ms))
        self._item = ""
        return truncations

    @property
    def sounding(self) -> bool:
        return self.playout.busy

    def _heard(self, items: list[str], now_ms: int) -> None:
        for item in items:
            self.transcript.agent_heard(item, now_ms)
