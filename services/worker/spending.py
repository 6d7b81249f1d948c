"""What a call has cost so far, and whether that is all it may cost. Pure.

Every answer is counted as the API bills it: the broken-off ones, those beside the conversation, and
the writing down of what the caller said. Without a price for a model there is no cost, and so
nothing that a budget could be compared with: the configuration's check says so beforehand.
"""

from dataclasses import dataclass, field

import msgspec

from callfleet.journal_entries import Entry, Note, Usage
from callfleet.prices import Price, session_cost, transcription_cost
from services.worker.usage import add, counts_of

SPENT = "usage"  # the kind of note that keeps an answer's usage


class Tariff(msgspec.Struct, frozen=True):
    """What this call's models charge; None: not known."""

    voice: Price | None = None
    transcription: Price | None = None


@dataclass(slots=True)
class Purse:
    """Of one call."""

    tariff: Tariff
    budget_micro_usd: int | None = None  # None: whatever it takes
    usage: Usage = field(default_factory=Usage)
    _spent: float | None = 0.0

    def take(self, usage: Usage) -> None:
        self.usage = add(self.usage, usage)
        cost = self.cost_of(usage)
        self._spent = None if cost is None or self._spent is None else self._spent + cost

    def cost_of(self, usage: Usage) -> float | None:
        """Micro-USD."""
        spoken = session_cost(usage, self.tariff.voice) if usage.responses else 0.0
        written = transcription_cost(usage, self.tariff.transcription)
        return None if spoken is None or written is None else spoken + written

    @property
    def spent_micro_usd(self) -> int | None:
        return None if self._spent is None else round(self._spent)

    @property
    def empty(self) -> bool:
        if self.budget_micro_usd is None or self._spent is None:
            return False
        return self._spent >= self.budget_micro_usd


def receipt(usage: Usage, at_ms: int) -> Note:
    """For the journal, so that whoever takes the call over knows what it has cost."""
    counts = {name: count for name, count in counts_of(usage).items() if count}
    return Note(SPENT, at_ms, {**counts})


def spent_before(entries: list[Entry]) -> Usage:
    """What earlier holders of the call wrote down of its usage."""
    total = Usage()
    for entry in entries:
        if isinstance(entry, Note) and entry.kind == SPENT:
            known = {name: entry.data.get(name, 0) for name in counts_of(total)}
            counts = {name: count for name, count in known.items() if isinstance(count, int)}
            total = add(total, msgspec.structs.replace(Usage(), **counts))
    return total
