"""Which models are about to be shut down, and what takes their place. Pure.

As announced on the API's page of deprecations, read on 2026-11-20. A model that is not listed has
no known end; `callfleet doctor` also asks the API itself.
"""

from typing import Final, NamedTuple


class End(NamedTuple):
    """When a model goes, and what to use instead."""

    date: str
    successor: str


_BETA: Final = End("2026-05-12", "gpt-realtime-2.1")
_REALTIME: Final = End("2027-01-20", "gpt-realtime-2.1")
_REALTIME_MINI: Final = End("2027-01-20", "gpt-realtime-2.1-mini")
_TRANSCRIBE: Final = End("2027-02-26", "gpt-transcribe")

_ENDS: Final = {
    "gpt-4o-realtime-preview": _BETA,
    "gpt-4o-mini-realtime-preview": _BETA,
    "gpt-realtime": _REALTIME,
    "gpt-realtime-mini": _REALTIME_MINI,
    "gpt-audio-mini": _REALTIME_MINI,
    "whisper-1": _TRANSCRIBE,
    "gpt-4o-transcribe": _TRANSCRIBE,
    "gpt-4o-mini-transcribe": _TRANSCRIBE,
    "gpt-4o-transcribe-diarize": _TRANSCRIBE,
}
# These do not reason, so that what is about reasoning is refused by the API.
_PLAIN: Final = ("gpt-realtime", "gpt-realtime-mini", "gpt-realtime-1.5")


def end_of(model: str) -> End | None:
    """By its name, or by the name before its date (`gpt-realtime-2025-08-28`)."""
    return _ENDS.get(model) or _ENDS.get(_undated(model))


def reasons(model: str) -> bool:
    """True for a name that says nothing: it may be a deployment's."""
    return _undated(model) not in _PLAIN


def _undated(model: str) -> str:
    return model.partition("-20")[0]
