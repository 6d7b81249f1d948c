"""The twin's circuit: a key that was refused, and the one call at a time that tries it."""

from dataclasses import dataclass

PROBE_MS = 30_000


@dataclass
class CircuitTwin:
    """Closed while `until` is 0."""

    until: float = 0
    for_ms: int = 0
    probe_until: float = 0

    def is_open(self, now: float) -> bool:
        return self.until > now

    def shut(self, now: float) -> bool:
        return self.is_open(now) or (self.until > 0 and self.probe_until > now)

    def refused(self, now: float, base_ms: int) -> None:
        if not self.is_open(now):
            self.for_ms = min(2 * self.for_ms, 600_000) if self.until else base_ms
            self.until, self.probe_until = now + self.for_ms, 0

    def taken(self, now: float) -> None:
        if not self.is_open(now):
            self.until = 0

    def tried(self, now: float, priority: int) -> None:
        if priority and self.until:
            self.probe_until = now + PROBE_MS
