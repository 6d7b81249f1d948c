"""What a check found, and how it is told: a mark, what is so, and what to do about it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from callfleet.telemetry_redaction import Redactor


class Mark(StrEnum):
    """How it stands; a warning leaves the verdict good."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


_SIGNS = {Mark.GOOD: "✓", Mark.WARNING: "!", Mark.BAD: "✗"}
_COLOURS = {Mark.GOOD: "\x1b[32m", Mark.WARNING: "\x1b[33m", Mark.BAD: "\x1b[31m"}
_PLAIN = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is so, and the remedy where it should not be."""

    subject: str
    mark: Mark
    told: str
    remedy: str = ""


def good(subject: str, told: str) -> Finding:
    return Finding(subject, Mark.GOOD, told)


def warning(subject: str, told: str, remedy: str) -> Finding:
    return Finding(subject, Mark.WARNING, told, remedy)


def bad(subject: str, told: str, remedy: str) -> Finding:
    return Finding(subject, Mark.BAD, told, remedy)


def cleaned(findings: Iterable[Finding], redactor: Redactor) -> list[Finding]:
    """Whatever an endpoint answered with, no secret gets onto the screen."""
    return [
        Finding(one.subject, one.mark, redactor.clean(one.told), redactor.clean(one.remedy))
        for one in findings
    ]


def verdict(findings: Iterable[Finding]) -> bool:
    return all(one.mark is not Mark.BAD for one in findings)


def as_data(findings: list[Finding]) -> dict[str, Any]:
    """For `--json`."""
    return {"ok": verdict(findings), "findings": [asdict(one) for one in findings]}


def as_text(findings: list[Finding], *, colour: bool) -> str:
    """For a terminal: aligned, the remedy below what it remedies."""
    width = max((len(one.subject) for one in findings), default=0)
    lines = []
    for one in findings:
        sign = _SIGNS[one.mark]
        sign = f"{_COLOURS[one.mark]}{sign}{_PLAIN}" if colour else sign
        lines.append(f"{sign} {one.subject:<{width}}  {one.told}")
        if one.remedy:
            lines.append(f"  {'':<{width}}  -> {one.remedy}")
    bad_count = sum(one.mark is Mark.BAD for one in findings)
    warned = sum(one.mark is Mark.WARNING for one in findings)
    lines.append("")
    lines.append(f"{bad_count} to mend, {warned} to look at" if bad_count or warned else "all good")
    return "\n".join(lines) + "\n"
