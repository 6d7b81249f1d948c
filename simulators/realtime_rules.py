"""What the Realtime API accepts as a session's settings, field by field.

Only the GA interface: a field of the old beta shape is an unknown parameter here as it is there.
"""

from simulators.realtime_checks import (
    Check,
    anything,
    by_type,
    exactly,
    flag,
    free_object,
    null_or,
    number,
    one_of,
    record,
    refuse,
    rows,
    tagged,
    text,
    whole,
)

VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
DEDICATED_TRANSCRIBERS = ("gpt-transcribe", "gpt-live-transcribe")
STREAMING_TRANSCRIBERS = ("gpt-live-transcribe", "gpt-realtime-whisper")
TRANSCRIBERS = (
    *DEDICATED_TRANSCRIBERS,
    "gpt-realtime-whisper",
    "whisper-1",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15",
    "gpt-4o-transcribe-diarize",
)
_LEVELS = ("minimal", "low", "medium", "high", "xhigh")

AUDIO_FORMAT = tagged(
    "type",
    {
        "audio/pcm": record({"type": anything, "rate": whole(24000, 24000)}),
        "audio/pcmu": record({"type": anything}),
        "audio/pcma": record({"type": anything}),
    },
)
VOICE = by_type(
    {str: one_of(*VOICES), dict: record({"id": text()}, required=["id"])}, "a voice or an object"
)
_noise_reduction = record(
    {"type": one_of("near_field", "far_field"), "strength": number(0, 10)}, required=["type"]
)
_transcription = record(
    {
        "model": one_of(*TRANSCRIBERS),
        "language": text(at_most=16),
        "languages": rows(text(at_most=16)),
        "keywords": rows(text()),
        "prompt": text(),
        "delay": one_of(*_LEVELS),
    },
)
_turn_detection = tagged(
    "type",
    {
        "server_vad": record(
            {
                "type": anything,
                "threshold": number(0, 1),
                "prefix_padding_ms": whole(0, 60_000),
                "silence_duration_ms": whole(0, 60_000),
                "idle_timeout_ms": null_or(whole(5000, 30000)),
                "create_response": flag,
                "interrupt_response": flag,
            }
        ),
        "semantic_vad": record(
            {
                "type": anything,
                "eagerness": one_of("low", "medium", "high", "auto"),
                "create_response": flag,
                "interrupt_response": flag,
            }
        ),
    },
)
_function_tool = record(
    {"type": anything, "name": text(at_most=64), "description": text(), "parameters": free_object},
    required=["name"],
)
_tool_names = {"tool_names": rows(text()), "read_only": flag}
_mcp_tool = record(
    {
        "type": anything,
        "server_label": text(),
        "server_url": text(),
        "connector_id": text(),
        "tunnel_id": text(),
        "authorization": text(),
        "headers": null_or(free_object),
        "allowed_tools": null_or(
            by_type({list: rows(text()), dict: record(_tool_names)}, "an array or an object")
        ),
        "require_approval": null_or(
            by_type(
                {
                    str: one_of("always", "never"),
                    dict: record({"always": record(_tool_names), "never": record(_tool_names)}),
                },
                "a string or an object",
            )
        ),
        "server_description": text(),
        "defer_loading": flag,
        "allowed_callers": null_or(rows(one_of("direct", "programmatic"))),
    },
    required=["server_label"],
)
TOOLS = rows(tagged("type", {"function": _function_tool, "mcp": _mcp_tool}), at_most=128)
TOOL_CHOICE = by_type(
    {
        str: one_of("none", "auto", "required"),
        dict: tagged(
            "type",
            {
                "function": record({"type": anything, "name": text()}, required=["name"]),
                "mcp": record(
                    {"type": anything, "server_label": text(), "name": null_or(text())},
                    required=["server_label"],
                ),
            },
        ),
    },
    "a string or an object",
)
MAX_OUTPUT_TOKENS = by_type({int: whole(1, 4096), str: one_of("inf")}, "an integer or 'inf'")
OUTPUT_MODALITIES = exactly(["audio"], ["text"])
REASONING = record({"effort": one_of(*_LEVELS)})
_truncation = by_type(
    {
        str: one_of("auto", "disabled"),
        dict: record(
            {
                "type": one_of("retention_ratio"),
                "retention_ratio": number(0, 1),
                "token_limits": record({"post_instructions": whole(0, 1_000_000)}),
            },
            required=["type", "retention_ratio"],
        ),
    },
    "a string or an object",
)
_tracing = null_or(
    by_type(
        {
            str: one_of("auto"),
            dict: record({"workflow_name": text(), "group_id": text(), "metadata": free_object}),
        },
        "null, 'auto' or an object",
    )
)
PROMPT = refuse("Reusable prompts have been shut down. Send instructions instead.")
SESSION_SETTINGS: Check = record(
    {
        "type": one_of("realtime"),
        "model": text(),
        "output_modalities": OUTPUT_MODALITIES,
        "instructions": text(),
        "audio": record(
            {
                "input": record(
                    {
                        "format": AUDIO_FORMAT,
                        "noise_reduction": null_or(_noise_reduction),
                        "transcription": null_or(_transcription),
                        "turn_detection": null_or(_turn_detection),
                    }
                ),
                "output": record(
                    {"format": AUDIO_FORMAT, "voice": VOICE, "speed": number(0.25, 1.5)}
                ),
            }
        ),
        "tools": TOOLS,
        "tool_choice": TOOL_CHOICE,
        "parallel_tool_calls": flag,
        "reasoning": REASONING,
        "max_output_tokens": MAX_OUTPUT_TOKENS,
        "truncation": _truncation,
        "tracing": _tracing,
        "prompt": PROMPT,
        "include": null_or(rows(one_of("item.input_audio_transcription.logprobs"))),
    },
    required=["type"],
)
