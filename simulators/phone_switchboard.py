"""What one call needs of the phone company, and the two ways a verb can end other than by being
done.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from simulators.phone_clock import Clock, Ticker
from simulators.phone_humans import Human
from simulators.phone_report import EndedBy
from simulators.phone_twiml import Document
from simulators.phone_web import Web


@dataclass(frozen=True, slots=True)
class Number:
    """What the account has configured for its phone numbers."""

    voice_url: str
    fallback_url: str = ""
    status_url: str = ""


@dataclass(frozen=True, slots=True)
class Switchboard:
    """Everything calls share: the company as one call sees it."""

    account_sid: str
    web: Web
    number: Number
    clock: Clock
    ticker: Ticker
    humans: Mapping[str, Human] = field(default_factory=dict)


class CallOver(Exception):
    def __init__(self, ended_by: EndedBy) -> None:
        super().__init__(ended_by)
        self.ended_by: EndedBy = ended_by


@dataclass(frozen=True, slots=True)
class Located:
    """A document and where it came from, which is what its relative URLs mean."""

    document: Document
    url: str
