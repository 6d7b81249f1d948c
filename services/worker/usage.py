"""What the answers of a call cost, summed. Pure.

Cached tokens are part of the input tokens, as the API counts them, and are kept apart because they
are cheaper.
"""

import msgspec

from callfleet.journal_entries import Usage

_NAMES = ("model", "transcription_model")
_COUNTED = tuple(name for name in Usage.__struct_fields__ if name not in _NAMES)


def add(total: Usage, more: Usage) -> Usage:
    counts = {name: getattr(total, name) + getattr(more, name) for name in _COUNTED}
    return msgspec.structs.replace(total, **counts)


def counts_of(usage: Usage) -> dict[str, int]:
    return {name: getattr(usage, name) for name in _COUNTED}


def of_models(usage: Usage, model: str, transcription: str) -> Usage:
    """Of a model that wrote nothing down nothing is said."""
    written = usage.transcription_ms or usage.transcription_audio_tokens
    told = transcription if written else ""
    return msgspec.structs.replace(usage, model=model, transcription_model=told)


def tokens_of(usage: Usage) -> int:
    """As a limit on tokens counts them: cached ones are part of the input, and count in full."""
    made = usage.output_text_tokens + usage.output_audio_tokens
    return usage.input_text_tokens + usage.input_audio_tokens + made


def tokens_by_kind(usage: Usage) -> dict[str, int]:
    """For metrics: every count but the number of answers."""
    return {
        name.removesuffix("_tokens"): getattr(usage, name)
        for name in _COUNTED
        if name.endswith("_tokens")
    }
