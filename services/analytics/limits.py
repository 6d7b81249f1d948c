"""How long an attempt to score a call may take, and how long a failed one waits for the next."""

import random
from dataclasses import dataclass
from typing import Final

WAIT_MAX_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How long scoring a call may take; each limit leaves room for the one inside it."""

    model_s: float = 60.0

    @property
    def _room_s(self) -> float:
        return max(1.0, self.model_s / 4)

    @property
    def attempt_s(self) -> float:
        """The model's answer and the database around it."""
        return self.model_s + self._room_s

    @property
    def job_s(self) -> float:
        """arq's own timeout, which never should be what ends a job."""
        return self.attempt_s + self._room_s

    @property
    def lease_s(self) -> float:
        """A claim outlives whoever holds it, and not by much: a killed attempt waits so long."""
        return self.job_s + self._room_s


USUAL: Final = Limits()


def chance_of_now() -> float:
    return random.random()  # noqa: S311 # spreads retries; guards nothing


def wait_s(failures: int, first_s: float, *, hint_s: float | None, chance: float) -> float:
    """How long to wait after so many failures: doubling, never before the hint, spread by chance.

    `chance` from 0 to 1: without it, calls that failed together would come back together.
    """
    doubled = min(WAIT_MAX_S, first_s * 2.0 ** min(failures - 1, 30))
    hinted = min(WAIT_MAX_S, hint_s or 0.0)
    return max(doubled * (0.5 + chance / 2), hinted * (1 + chance / 10))
