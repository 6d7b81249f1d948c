"""What an error, a refusal or a close of the Realtime API means. Pure.

The API accepts the connection first and refuses afterwards, by an `error` event and a close whose
*reason* says why: 1013, "try again later", also comes for an account without credit. So the reason
is read before the code. A rate limit is no error of the session: it is a failed response with a
hint in its message.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from callfleet.slots_terms import Refusal
from services.worker.dialogue import Failure


class Trouble(StrEnum):
    """The class of an error event; a metric label."""

    BENIGN = "benign"  # a race we lost; nothing to do
    BUSY = "busy"  # an answer is under way: ask again after it
    CONFIG = "config"  # we sent what the API does not take
    FATAL = "fatal"  # the key, the quota, the model
    EXPIRED = "expired"
    SERVER = "server"


_TROUBLES: Final = {
    "conversation_already_has_active_response": Trouble.BUSY,
    "response_cancel_not_active": Trouble.BENIGN,
    "input_audio_buffer_commit_empty": Trouble.BENIGN,
    "item_retrieve_invalid_item_id": Trouble.BENIGN,
    "invalid_value": Trouble.CONFIG,
    "unknown_parameter": Trouble.CONFIG,
    "missing_required_parameter": Trouble.CONFIG,
    "invalid_type": Trouble.CONFIG,
    "session_expired": Trouble.EXPIRED,
    "server_error": Trouble.SERVER,
}
_FATAL_CODES: Final = frozenset(
    {
        "invalid_api_key",
        "insufficient_quota",
        "billing_hard_limit_reached",
        "account_deactivated",
        "model_not_found",
        "missing_model",
        "beta_api_shape_disabled",
        "invalid_organization",
        "DeploymentNotFound",
    }
)
# Of those, what is the org's: every call under its key would meet the same. A model nobody knows is
# the agent's mistake, and a shape nobody takes is ours; neither closes the org to other agents.
_KEY_CODES: Final = (
    "invalid_api_key",
    "insufficient_quota",
    "billing_hard_limit_reached",
    "account_deactivated",
    "invalid_organization",
)
_REFUSALS: Final = {
    "rate_limit_exceeded": Refusal.RATE_LIMIT,  # also within inference_rate_limit_exceeded
    "quota_exceeded": Refusal.QUOTA,
    "overloaded": Refusal.CAPACITY,
    "capacity": Refusal.CAPACITY,
}
_TRY_AGAIN_LATER: Final = 1013
_FATAL_CLOSES: Final = frozenset({1008, 3000, 3003, 4000, 4001, 4003, 4004})

_HINT: Final = re.compile(r"try again in (?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)(ms|s))?")
_MS: Final = {"ms": 1, "s": 1000}


def trouble_of(kind: str, code: str | None) -> Trouble:
    """The class of an `error` event, by its code and failing that by its type."""
    if code in _FATAL_CODES:
        return Trouble.FATAL
    if code in _TROUBLES:
        return _TROUBLES[code]
    return Trouble.CONFIG if kind == "invalid_request_error" else Trouble.SERVER


def failure_of_close(code: int | None, reason: str) -> Failure:
    """What a close means for the call."""
    if any(fatal in reason for fatal in _FATAL_CODES):
        return Failure.REFUSED
    if "maximum duration" in reason or "session_expired" in reason:
        return Failure.EXPIRED
    if code in _FATAL_CLOSES:
        return Failure.REFUSED
    return Failure.LOST


def failure_of_status(status: int) -> Failure:
    """What a refused handshake means: credentials and addresses do not mend by themselves."""
    return Failure.REFUSED if status in (400, 401, 403, 404) else Failure.LOST


@dataclass(frozen=True, slots=True)
class KeyRefused:
    """The org's key is not taken; `code` is one of a closed set."""

    code: str


Said = Refusal | KeyRefused


def said_of_org(text: str, *, close: int = 0, status: int = 0) -> Said | None:
    """What a code, a close's reason or a refused handshake says of the org; None: nothing.

    403 is left out: it may be the model, the country or the network that is not allowed.
    """
    for code in _KEY_CODES:
        if code in text:
            return KeyRefused(code)
    if status in (401, 402):
        return KeyRefused("invalid_api_key" if status == 401 else "insufficient_quota")
    for code, refusal in _REFUSALS.items():
        if code in text:
            return refusal
    if status == 429:
        return Refusal.RATE_LIMIT
    return Refusal.CAPACITY if status == 503 or close == _TRY_AGAIN_LATER else None


def again_after_ms(message: str) -> int | None:
    """The wait that a rate limit's message names: "320ms", "6.232s", "1m26.4s"."""
    found = _HINT.search(message)
    if found is None or not any(found.groups()):
        return None
    hours, minutes, number, unit = found.groups()
    try:
        rest_ms = float(number) * _MS[unit] if number else 0.0
    except ValueError:
        return None  # "1.2.3s"
    return int(hours or 0) * 3_600_000 + int(minutes or 0) * 60_000 + round(rest_ms)
