"""What can be made to go wrong on the carrier's side of a call, by name and time.

Each fault is one the real world has: networks that vanish, proxies that repeat a webhook, somebody
on the internet who speaks to the media port. Tests place a call with faults and look at what the
application made of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "duplicate_webhook",  # the voice webhook is posted twice, at the same time
    "forged_webhook",  # the voice webhook carries a signature made with another token
    "forged_upgrade",  # so does the media handshake
    "unsigned_upgrade",  # the media handshake carries no signature
    "wrong_parameters",  # `start` carries other parameters than the TwiML gave (see `parameters`)
    "no_start",  # media comes at once after `connected`
    "lose_socket",  # the TCP connection is reset
    "malformed",  # a text that is no message (see `text`)
    "binary",  # a binary message
    "oversized",  # a text of `size` bytes
    "flood",  # `count` media messages at once
    "scramble",  # sequence numbers come out of order from here on
    "slow_reader",  # nothing is read from the socket for `lasts_ms`
    "mute",  # the caller's audio does not arrive for `lasts_ms`: no media messages at all
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; those of a stream come `at_ms` after the call's stream number `stream` began."""

    kind: Kind
    at_ms: int = 0
    stream: int = 0
    count: int = 500
    size: int = 1 << 20
    lasts_ms: int = 1000
    text: str = '{"event":"media","media":'
    parameters: tuple[tuple[str, str], ...] = (("token", "not-the-one-you-gave"),)


class Faults:
    """The faults of one call: which are there, and which are due."""

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self._faults = sorted(faults, key=lambda fault: fault.at_ms)

    def find(self, kind: Kind, stream: int = 0) -> Fault | None:
        for fault in self._faults:
            if fault.kind == kind and fault.stream == stream:
                return fault
        return None

    def timed(self, stream: int) -> list[Fault]:
        """Those of one stream that strike at a time, the next one last."""
        timed = [fault for fault in self._faults if fault.kind in _TIMED and fault.stream == stream]
        return timed[::-1]


_TIMED = frozenset(
    {
        "lose_socket",
        "malformed",
        "binary",
        "oversized",
        "flood",
        "scramble",
        "slow_reader",
        "mute",
    }
)
