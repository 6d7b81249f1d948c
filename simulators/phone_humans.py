"""The people on the other end of a <Dial>: who answers which number, after how long, and what they
say.

A number nobody registered is busy, as a stranger's phone may be; one that is no number at all
fails.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from simulators.phone_clock import Clock

DialStatus = Literal["completed", "busy", "no-answer", "failed"]


@dataclass(frozen=True, slots=True)
class Human:
    """Somebody with a phone."""

    greeting: str = "Hello, how can I help?"
    answers: bool = True
    after_ms: int = 600  # how long it rings
    talks_ms: int = 2000  # from the answer until they hang up


@dataclass(frozen=True, slots=True)
class Rung:
    """What ringing an address led to."""

    address: str
    status: DialStatus
    human: Human | None = None


def is_address(address: str) -> bool:
    return bool(re.fullmatch(r"\+?[0-9][0-9()\-. ]{2,24}|sips?:[^\s@]+@[^\s@]+", address))


async def ring(
    addresses: tuple[str, ...], timeout_s: int, people: Mapping[str, Human], clock: Clock
) -> Rung:
    """Ring everybody at once; the first to pick up gets the call."""
    real = [address for address in addresses if is_address(address)]
    if not real:
        return Rung(addresses[0] if addresses else "", "failed")
    known = [(people[address], address) for address in real if address in people]
    if not known:
        return Rung(real[0], "busy")
    quick = [pair for pair in known if pair[0].answers and pair[0].after_ms <= timeout_s * 1000]
    if not quick:
        await clock.sleep(timeout_s * 1000)
        return Rung(known[0][1], "no-answer")
    human, address = min(quick, key=lambda pair: pair[0].after_ms)
    await clock.sleep(human.after_ms)
    return Rung(address, "completed", human)
