"""What the Realtime API accepts from a client: eleven events, conversation items, responses."""

from typing import Any

from simulators.realtime_checks import (
    Check,
    Refusal,
    anything,
    flag,
    free_object,
    null_or,
    one_of,
    record,
    refuse,
    rows,
    tagged,
    text,
    whole,
)
from simulators.realtime_rules import (
    AUDIO_FORMAT,
    MAX_OUTPUT_TOKENS,
    OUTPUT_MODALITIES,
    PROMPT,
    REASONING,
    SESSION_SETTINGS,
    TOOL_CHOICE,
    TOOLS,
    VOICE,
)

_common = {
    "id": text(at_most=64),
    "type": anything,
    "object": one_of("realtime.item"),
    "status": one_of("completed", "incomplete", "in_progress"),
}


def _part(**fields: Check) -> Check:
    return record({"type": anything, **fields}, required=list(fields)[:1])


_user_part = tagged(
    "type",
    {
        "input_text": _part(text=text()),
        "input_audio": _part(audio=text(), transcript=null_or(text())),
        "input_image": _part(image_url=text(), detail=one_of("auto", "low", "high")),
    },
)
_assistant_audio = refuse("Assistant audio messages cannot be created.")
_assistant_part = tagged(
    "type", {"output_text": _part(text=text()), "output_audio": _assistant_audio}
)
_message = tagged(
    "role",
    {
        role: record(
            {**_common, "role": anything, "content": rows(part, at_least=1)}, required=["content"]
        )
        for role, part in (
            ("user", _user_part),
            ("assistant", _assistant_part),
            ("system", tagged("type", {"input_text": _part(text=text())})),
        )
    },
)
_items = {
    "message": _message,
    "function_call": record(
        {**_common, "name": text(), "arguments": text(), "call_id": text(at_most=64)},
        required=["name", "arguments"],
    ),
    "function_call_output": record(
        {**_common, "call_id": text(), "output": text()}, required=["call_id", "output"]
    ),
    "mcp_approval_response": record(
        {**_common, "approval_request_id": text(), "approve": flag, "reason": null_or(text())},
        required=["approval_request_id", "approve"],
    ),
}
_item_reference = record({"type": anything, "id": text()}, required=["id"])


def _metadata(value: Any, param: str) -> None:
    free_object(value, param)
    rows(anything, at_most=16)(list(value), param)
    for name, each in value.items():
        text(at_most=64)(name, param)
        text(at_most=512)(each, f"{param}.{name}")


_response = record(
    {
        "conversation": one_of("auto", "none"),
        "input": rows(tagged("type", {**_items, "item_reference": _item_reference})),
        "instructions": text(),
        "output_modalities": OUTPUT_MODALITIES,
        "audio": record({"output": record({"format": AUDIO_FORMAT, "voice": VOICE})}),
        "tools": TOOLS,
        "tool_choice": TOOL_CHOICE,
        "parallel_tool_calls": flag,
        "reasoning": REASONING,
        "max_output_tokens": MAX_OUTPUT_TOKENS,
        "metadata": null_or(_metadata),
        "prompt": PROMPT,
    }
)


def _event(required: tuple[str, ...] = (), **fields: Check) -> Check:
    envelope = {"type": anything, "event_id": text(at_most=512)}
    return record(envelope | fields, required=required)


_by_item = _event(("item_id",), item_id=text())
_events = tagged(
    "type",
    {
        "session.update": _event(("session",), session=SESSION_SETTINGS),
        "input_audio_buffer.append": _event(("audio",), audio=text()),
        "input_audio_buffer.commit": _event(),
        "input_audio_buffer.clear": _event(),
        "output_audio_buffer.clear": _event(),
        "conversation.item.create": _event(
            ("item",), item=tagged("type", _items), previous_item_id=null_or(text())
        ),
        "conversation.item.delete": _by_item,
        "conversation.item.retrieve": _by_item,
        "conversation.item.truncate": _event(
            ("item_id", "content_index", "audio_end_ms"),
            item_id=text(),
            content_index=whole(0, 0),
            audio_end_ms=whole(0, 24 * 3600 * 1000),
        ),
        "response.create": _event(response=_response),
        "response.cancel": _event(response_id=text()),
    },
)


def check_event(event: Any) -> None:
    """Refuses a client event the API would refuse whatever the session's state."""
    if not isinstance(event, dict):
        raise Refusal("invalid_type", "Expected a JSON object.")
    _events(event, "")
