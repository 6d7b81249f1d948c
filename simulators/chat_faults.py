"""Everything that goes wrong with the scoring API, by name, armed for the next N requests.

A fault either takes the place of an answer (`rate_limited`, `hang` ...) or spoils it (`refusal`,
`length` ...). `matching` limits it to requests that contain that text, so that a test can spoil one
call's score and no other's; `share` lets it happen to that part of them only, by seeded chance.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from simulators.chat_errors import ApiError

# point -> its options
POINTS: Final[Mapping[str, frozenset[str]]] = {
    "rate_limited": frozenset({"retry_after_s"}),  # 429; no hint when retry_after_s is null
    "insufficient_quota": frozenset(),  # 429 that no waiting heals
    "server_error": frozenset({"status"}),  # 500 502 503 504
    "timeout": frozenset(),  # 408
    "hang": frozenset({"for_s"}),  # takes the request and says nothing
    "reset": frozenset(),  # the connection is reset instead of an answer
    "cut_body": frozenset(),  # ... or in the middle of it
    "slow": frozenset({"delay_s"}),
    "garbage": frozenset(),  # 200, and not JSON
    "refusal": frozenset({"text"}),
    "length": frozenset({"keep"}),  # the answer is cut off after so much of it, 0..1
    "content_filter": frozenset(),
    "empty": frozenset(),  # no content at all
    "says": frozenset({"text"}),  # the model writes this
}
_STATUSES: Final = {
    500: "The server had an error while processing your request. Sorry about that!",
    502: "Bad gateway.",
    503: "The engine is currently overloaded, please try again later.",
    504: "The gateway timed out.",
}


class UnknownFault(ValueError):
    """Nothing here goes wrong by that name, or not with these options."""


@dataclass(slots=True)
class Fault:
    point: str
    times: int
    matching: str
    share: float
    options: dict[str, Any]

    def number(self, name: str, otherwise: float) -> float:
        return float(self.options.get(name, otherwise))

    def word(self, name: str, otherwise: str) -> str:
        return str(self.options.get(name, otherwise))

    def refusal(self) -> ApiError | None:
        """The error this fault answers with, if that is what it does."""
        match self.point:
            case "rate_limited":
                return _rate_limited(self.options.get("retry_after_s", 1))
            case "insufficient_quota":
                message = "You exceeded your current quota, please check your plan and billing."
                name = "insufficient_quota"
                return ApiError(429, message, kind=name, code=name)
            case "server_error":
                status = int(self.number("status", 500))
                return ApiError(status, _STATUSES[status], kind="server_error")
            case "timeout":
                return ApiError(408, "Request timed out.", kind="timeout")
        return None


def _rate_limited(retry_after_s: float | None) -> ApiError:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-remaining-tokens": "0"}
    hint = ""
    if retry_after_s is not None:
        hint = f" Please try again in {retry_after_s:g}s."
        headers |= {
            "retry-after": f"{max(1, round(retry_after_s))}",
            "retry-after-ms": f"{round(retry_after_s * 1000)}",
            "x-ratelimit-reset-requests": f"{retry_after_s:g}s",
            "x-ratelimit-reset-tokens": f"{retry_after_s:g}s",
        }
    message = f"Rate limit reached for the model in organization org-simulated on requests.{hint}"
    return ApiError(429, message, kind="requests", code="rate_limit_exceeded", headers=headers)


@dataclass(slots=True)
class Faults:
    """The armed faults, taken in the order they were armed: one request, one fault."""

    chance: random.Random
    _armed: list[Fault] = field(default_factory=list)

    def arm(self, point: str, times: int, options: Mapping[str, Any]) -> None:
        if point not in POINTS:
            raise UnknownFault(f"no fault point {point!r}; there are {', '.join(POINTS)}")
        known = POINTS[point] | {"matching", "share"}
        unknown = set(options) - known
        if unknown:
            raise UnknownFault(f"{point} has no option {sorted(unknown)}, only {sorted(known)}")
        if point == "server_error" and options.get("status", 500) not in _STATUSES:
            raise UnknownFault(f"status is one of {sorted(_STATUSES)}")
        if point == "says" and "text" not in options:
            raise UnknownFault("says needs its text")
        if times < 1:
            raise UnknownFault("times must be at least 1")
        rest = {name: options[name] for name in POINTS[point] & set(options)}
        matching, share = str(options.get("matching", "")), float(options.get("share", 1))
        self._armed.append(Fault(point, times, matching, share, rest))

    def take(self, text: str) -> Fault | None:
        for fault in self._armed:
            if fault.matching in text and self.chance.random() < fault.share:
                fault.times -= 1
                if not fault.times:
                    self._armed.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        self._armed.clear()

    def state(self) -> list[dict[str, Any]]:
        return [
            {"point": each.point, "times": each.times, "matching": each.matching}
            | {"share": each.share}
            | each.options
            for each in self._armed
        ]
