"""What may leave the process in a log line or a span. Pure.

Two nets. By name: a field that could hold what somebody said, or a credential, is never written,
whatever is in it. By shape: what looks like a key, a bearer token or a password in a URL, and the
secrets this process was started with, are cut out of every line, tracebacks included.
"""

import re
import traceback
from collections.abc import Iterable
from typing import Any, Final

from callfleet.errors import CallfleetError

REDACTED: Final = "[redacted]"

_SPOKEN = frozenset(
    {
        *("text", "transcript", "transcription", "speech", "said", "utterance", "content", "delta"),
        *("audio", "instructions", "greeting", "summary", "prompt", "arguments", "output"),
        *("caller", "digit", "digits"),
    }
)
_CREDENTIALS = frozenset(
    {
        *("secret", "password", "token", "api_key", "key", "authorization", "auth", "auth_token"),
        *("signature", "cookie", "credentials", "encryption_keys"),
    }
)
FORBIDDEN_FIELDS: Final = _SPOKEN | _CREDENTIALS

_SHAPES = re.compile(
    r"\bsk-[A-Za-z0-9_-]{6,}"
    r"|(?<=Bearer )[A-Za-z0-9._~+/=-]{6,}"
    r"|(?<=://)[^/\s@\"']+(?=@)",
    re.IGNORECASE,
)
# Whose messages say what went wrong in our own words or the system's; others may quote their input,
# and their input may be what a caller said.
_TELLS_NOTHING_PRIVATE = (
    CallfleetError,
    OSError,
    AttributeError,
    NameError,
    TypeError,
    ImportError,
    AssertionError,
)


class Redactor:
    """Cuts known secrets and what looks like one out of text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({one for one in secrets if len(one) >= 6}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def clean(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        return _SHAPES.sub(REDACTED, text)


def allowed(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, with the values of forbidden ones replaced."""
    if FORBIDDEN_FIELDS.isdisjoint(fields):
        return fields
    return {key: REDACTED if key in FORBIDDEN_FIELDS else fields[key] for key in fields}


def told(error: BaseException) -> str:
    """An exception in one line, with its message only where that cannot quote anybody."""
    kind = type(error).__name__
    if isinstance(error, _TELLS_NOTHING_PRIVATE) and str(error):
        return f"{kind}: {error}"
    return kind


def traced(error: BaseException) -> str:
    """A traceback whose last lines obey `told`, causes and groups included."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = "".join(traceback.format_tb(current.__traceback__)).rstrip()
        parts.append(f"{frames}\n{told(current)}" if frames else told(current))
        if isinstance(current, BaseExceptionGroup):
            parts.extend(traced(one) for one in current.exceptions)
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )
    return "\n--- because of\n".join(parts)
