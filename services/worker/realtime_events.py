"""The events of the OpenAI Realtime API (GA) that we understand. Pure.

One struct per event, holding only the fields we use; msgspec picks it by `type` and turns
base64 into bytes on the way. Types the API has and we have no use for are listed; any other type,
and a known type in an unknown shape, is `Unknown`: counted by the caller, never fatal, because the
API may add events on any day.
"""

from typing import Final

import msgspec


class _Incoming(msgspec.Struct, frozen=True, tag_field="type"):
    pass


class SessionFacts(msgspec.Struct, frozen=True):
    id: str = ""
    expires_at: int | None = None


class SessionCreated(_Incoming, frozen=True, tag="session.created"):
    session: SessionFacts


class SessionUpdated(_Incoming, frozen=True, tag="session.updated"):
    session: SessionFacts


class ErrorFacts(msgspec.Struct, frozen=True):
    type: str = ""
    code: str | None = None
    message: str = ""
    param: str | None = None
    event_id: str | None = None


class Error(_Incoming, frozen=True, tag="error"):
    error: ErrorFacts


class SpeechStarted(_Incoming, frozen=True, tag="input_audio_buffer.speech_started"):
    item_id: str
    audio_start_ms: int


class SpeechStopped(_Incoming, frozen=True, tag="input_audio_buffer.speech_stopped"):
    item_id: str
    audio_end_ms: int


class TimeoutTriggered(_Incoming, frozen=True, tag="input_audio_buffer.timeout_triggered"):
    item_id: str


class Committed(_Incoming, frozen=True, tag="input_audio_buffer.committed"):
    item_id: str


class TokenSplit(msgspec.Struct, frozen=True):
    text_tokens: int | None = None
    audio_tokens: int | None = None


class TranscriptionUsage(msgspec.Struct, frozen=True):
    """In tokens or in seconds, as the model is billed."""

    input_token_details: TokenSplit | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float | None = None


class Transcribed(
    _Incoming, frozen=True, tag="conversation.item.input_audio_transcription.completed"
):
    item_id: str
    transcript: str
    usage: TranscriptionUsage | None = None


class TranscriptionFailed(
    _Incoming, frozen=True, tag="conversation.item.input_audio_transcription.failed"
):
    item_id: str


class TokenDetails(msgspec.Struct, frozen=True):
    text_tokens: int | None = None
    audio_tokens: int | None = None
    cached_tokens: int | None = None
    cached_tokens_details: TokenSplit | None = None


class UsageFacts(msgspec.Struct, frozen=True):
    input_token_details: TokenDetails | None = None
    output_token_details: TokenDetails | None = None


class FailureFacts(msgspec.Struct, frozen=True):
    type: str | None = None
    code: str | None = None
    message: str = ""


class StatusDetails(msgspec.Struct, frozen=True):
    reason: str | None = None
    error: FailureFacts | None = None


class ResponseFacts(msgspec.Struct, frozen=True):
    id: str
    status: str | None = None
    status_details: StatusDetails | None = None
    usage: UsageFacts | None = None
    metadata: dict[str, str] | None = None
    conversation_id: str | None = None


class ResponseCreated(_Incoming, frozen=True, tag="response.created"):
    response: ResponseFacts


class ResponseDone(_Incoming, frozen=True, tag="response.done"):
    response: ResponseFacts


class AudioDelta(_Incoming, frozen=True, tag="response.output_audio.delta"):
    item_id: str
    delta: bytes


class AudioDone(_Incoming, frozen=True, tag="response.output_audio.done"):
    item_id: str


class TranscriptDelta(_Incoming, frozen=True, tag="response.output_audio_transcript.delta"):
    item_id: str
    delta: str


class TranscriptDone(_Incoming, frozen=True, tag="response.output_audio_transcript.done"):
    item_id: str
    transcript: str


# The names before general availability; compatible servers still send them.


class OldAudioDelta(AudioDelta, frozen=True, tag="response.audio.delta"):
    pass


class OldAudioDone(AudioDone, frozen=True, tag="response.audio.done"):
    pass


class OldTranscriptDelta(TranscriptDelta, frozen=True, tag="response.audio_transcript.delta"):
    pass


class OldTranscriptDone(TranscriptDone, frozen=True, tag="response.audio_transcript.done"):
    pass


class ItemFacts(msgspec.Struct, frozen=True):
    type: str
    id: str = ""
    name: str = ""
    call_id: str = ""
    arguments: str = ""


class OutputItemDone(_Incoming, frozen=True, tag="response.output_item.done"):
    item: ItemFacts


class RateLimit(msgspec.Struct, frozen=True):
    name: str = ""  # tokens, requests
    limit: int | float = 0
    remaining: int | float = 0


class RateLimitsUpdated(_Incoming, frozen=True, tag="rate_limits.updated"):
    rate_limits: tuple[RateLimit, ...] = ()


class Unknown(msgspec.Struct, frozen=True):
    """Nothing we know: `type` as it came, empty when there was none."""

    type: str


class Unused(msgspec.Struct, frozen=True):
    """An event of the API's that means nothing to us."""


ServerEvent = (
    SessionCreated
    | SessionUpdated
    | Error
    | SpeechStarted
    | SpeechStopped
    | TimeoutTriggered
    | Committed
    | Transcribed
    | TranscriptionFailed
    | ResponseCreated
    | ResponseDone
    | AudioDelta
    | AudioDone
    | TranscriptDelta
    | TranscriptDone
    | OldAudioDelta
    | OldAudioDone
    | OldTranscriptDelta
    | OldTranscriptDone
    | OutputItemDone
    | RateLimitsUpdated
)

UNUSED_TYPES: Final = frozenset(
    {
        "conversation.created",
        "conversation.item.added",
        "conversation.item.created",
        "conversation.item.deleted",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.segment",
        "conversation.item.retrieved",
        "conversation.item.truncated",
        "input_audio_buffer.cleared",
        "input_audio_buffer.dtmf_event_received",
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
        "mcp_list_tools.in_progress",
        "output_audio_buffer.cleared",
        "output_audio_buffer.started",
        "output_audio_buffer.stopped",
        "response.content_part.added",
        "response.content_part.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
        "response.mcp_call.in_progress",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.output_item.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.text.delta",
        "response.text.done",
    }
)

UNUSED: Final = Unused()


class _Envelope(msgspec.Struct, frozen=True):
    type: str = ""


_event = msgspec.json.Decoder(ServerEvent)
_envelope = msgspec.json.Decoder(_Envelope)


def parse(data: bytes | str) -> ServerEvent | Unused | Unknown:
    """Any message of the API's; never raises on what it sent."""
    try:
        event: ServerEvent = _event.decode(data)
        return event
    except msgspec.DecodeError:
        pass
    except UnicodeDecodeError:
        return Unknown("")
    try:
        kind = _envelope.decode(data).type
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Unknown("")
    return UNUSED if kind in UNUSED_TYPES else Unknown(kind)
