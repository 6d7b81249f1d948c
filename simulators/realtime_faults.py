"""Everything that goes wrong with the Realtime API, by name, armed for the next N opportunities.

An opportunity comes by at one of four moments: `connect` (the handshake, or right after it),
`update` (a session.update), `turn` (a caller's turn was committed) and `response` (one begins).
Each point has its usual moment; `at` moves the general ones, and those that hinder (`stall`,
`slow`) come before session.created when moved to `connect`. `matching` limits a fault to the
sessions whose instructions contain that text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

MOMENTS = ("connect", "update", "turn", "response")

# point -> (usual moment, may it be moved, its options)
POINTS: Mapping[str, tuple[str, bool, frozenset[str]]] = {
    "refuse": ("connect", False, frozenset({"row", "status"})),
    "stall": ("response", True, frozenset({"after_deltas"})),
    "slow": ("response", True, frozenset({"delay_s", "per_delta_s"})),
    "close": ("response", True, frozenset({"code", "reason", "after_deltas"})),
    "drop_mid_response": ("response", False, frozenset({"after_deltas"})),
    "drop": ("turn", True, frozenset()),
    "error_event": ("response", True, frozenset({"kind", "code", "message"})),
    "unknown_event": ("response", True, frozenset()),
    "never_session_updated": ("update", False, frozenset()),
    "rate_limited_response": ("response", False, frozenset({"hint", "code"})),
    "failed_response": ("response", False, frozenset({"code", "message"})),
    "incomplete": ("response", False, frozenset()),
    "content_filter": ("response", False, frozenset()),
    "empty_response": ("response", False, frozenset()),
    "duplicate_function_call": ("response", False, frozenset()),
    "late_transcript": ("turn", False, frozenset({"delay_s"})),
    "failed_transcript": ("turn", False, frozenset()),
}
_GENERAL_OPTIONS = frozenset({"at", "matching"})


@dataclass(frozen=True, slots=True)
class Close:
    """How the API ends a socket: an error event, then a close whose reason repeats it."""

    code: int
    reason: str
    kind: str = ""
    error: str = ""
    message: str = ""

    def event(self, event_id: str) -> bytes:
        """The error event that comes before."""
        error: dict[str, Any] = {"type": self.kind, "code": self.error, "message": self.message}
        error |= {"param": None, "event_id": None}
        return msgspec.json.encode({"type": "error", "event_id": event_id, "error": error})


def _fatal(code: int, kind: str, error: str, message: str) -> Close:
    return Close(code, f"{kind}.{error}", kind, error, message)


_BAD_REQUEST = "invalid_request_error"
CLOSES: Mapping[str, Close] = {
    "invalid_api_key": _fatal(
        3000, _BAD_REQUEST, "invalid_api_key", "Incorrect API key provided: sk-***."
    ),
    "beta_api_shape_disabled": _fatal(
        4000,
        _BAD_REQUEST,
        "beta_api_shape_disabled",
        "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
    ),
    "missing_model": _fatal(
        4000, _BAD_REQUEST, "missing_model", "You must provide a model parameter."
    ),
    "model_not_found": _fatal(
        4004, _BAD_REQUEST, "model_not_found", "The model does not exist or you lack access to it."
    ),
    "insufficient_quota": _fatal(
        1013,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "too_many_sessions": _fatal(
        1013,
        "rate_limit_error",
        "rate_limit_exceeded",
        "Too many concurrent realtime sessions for this key.",
    ),
    "billing_hard_limit_reached": _fatal(
        1013, _BAD_REQUEST, "billing_hard_limit_reached", "Billing hard limit has been reached."
    ),
    "account_deactivated": _fatal(
        3000, _BAD_REQUEST, "account_deactivated", "The account has been deactivated."
    ),
    "session_expired": Close(
        1001,
        "Your session hit the maximum duration of 60 minutes.",
        _BAD_REQUEST,
        "session_expired",
        "Your session hit the maximum duration of 60 minutes.",
    ),
    "server_error": _fatal(
        1011, "server_error", "server_error", "The server had an error while processing."
    ),
    "going_away": Close(1012, ""),
}


class UnknownFault(ValueError):
    """Nothing here goes wrong by that name, or not with these options."""


@dataclass(slots=True)
class Fault:
    point: str
    times: int
    moment: str
    options: dict[str, Any] = field(default_factory=dict)

    def number(self, name: str, otherwise: float) -> float:
        return float(self.options.get(name, otherwise))

    def word(self, name: str, otherwise: str) -> str:
        return str(self.options.get(name, otherwise))


@dataclass(slots=True)
class Faults:
    """The armed faults, taken in the order they were armed."""

    _armed: list[Fault] = field(default_factory=list)

    def arm(self, point: str, times: int, options: Mapping[str, Any]) -> None:
        if point not in POINTS:
            raise UnknownFault(f"no fault point {point!r}; there are {', '.join(POINTS)}")
        moment, movable, known = POINTS[point]
        known = known | (_GENERAL_OPTIONS if movable else frozenset({"matching"}))
        unknown = set(options) - known
        if unknown:
            raise UnknownFault(f"{point} has no option {sorted(unknown)}, only {sorted(known)}")
        moment = str(options.get("at", moment))
        if moment not in MOMENTS:
            raise UnknownFault(f"no moment {moment!r}; there are {', '.join(MOMENTS)}")
        if options.get("row", "server_error") not in CLOSES:
            raise UnknownFault(f"no row {options['row']!r}; there are {', '.join(CLOSES)}")
        if times < 1:
            raise UnknownFault("times must be at least 1")
        self._armed.append(Fault(point, times, moment, dict(options)))

    def take(
        self, moment: str, instructions: str = "", *, only: str = "", having: str = ""
    ) -> Fault | None:
        """The next fault of this moment, if any: one opportunity, one fault.

        `only` and `having` narrow it to a point, and to those with an option.
        """
        for fault in self._armed:
            wanted = only in ("", fault.point) and (not having or having in fault.options)
            if wanted and fault.moment == moment and fault.word("matching", "") in instructions:
                fault.times -= 1
                if not fault.times:
                    self._armed.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        self._armed.clear()

    def __bool__(self) -> bool:
        return bool(self._armed)

    def state(self) -> list[dict[str, Any]]:
        return [
            {"point": each.point, "times": each.times, "at": each.moment} | each.options
            for each in self._armed
        ]
