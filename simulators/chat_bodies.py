"""What the API sends back: the two shapes of an answer, with its usage, cut or refused or whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from simulators.chat_faults import Fault
from simulators.chat_requests import Question

CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Said:
    """What the model wrote, and how it came to stop."""

    text: str | None
    refusal: str | None = None
    stopped: Literal["stop", "length", "content_filter"] = "stop"

    @property
    def tokens(self) -> int:
        return _tokens(self.text or self.refusal or "")


def _tokens(text: str) -> int:
    return -(-len(text) // CHARS_PER_TOKEN)


def cut_to(said: Said, limit: int | None) -> Said:
    """As far as the output limit of the request lets it go."""
    if limit is None or said.text is None or said.tokens <= limit:
        return said
    return Said(said.text[: limit * CHARS_PER_TOKEN], None, "length")


def spoilt(said: Said, fault: Fault) -> Said:
    """What is left of an answer after a fault that spoils it; others leave it alone."""
    text = said.text or ""
    match fault.point:
        case "refusal":
            return Said(None, fault.word("text", "I'm sorry, I can't assist with that request."))
        case "length":
            return Said(text[: int(len(text) * fault.number("keep", 0.5))], None, "length")
        case "content_filter":
            return Said(text[: len(text) // 3], None, "content_filter")
        case "empty":
            return Said(None)
        case "says":
            return Said(fault.word("text", ""))
    return said


def completion(question: Question, said: Said, name: str, now_s: int) -> dict[str, Any]:
    """A `chat.completion`."""
    asked = _tokens(question.text) + 3
    zero = {"audio_tokens": 0}
    return {
        "id": f"chatcmpl-{name}",
        "object": "chat.completion",
        "created": now_s,
        "model": question.model.snapshot,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": said.text,
                    "refusal": said.refusal,
                    "annotations": [],
                },
                "logprobs": None,
                "finish_reason": said.stopped,
            }
        ],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": said.tokens,
            "total_tokens": asked + said.tokens,
            "prompt_tokens_details": {"cached_tokens": 0} | zero,
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            }
            | zero,
        },
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
    }


def response(question: Question, said: Said, name: str, now_s: int) -> dict[str, Any]:
    """A `response`."""
    body = question.body
    asked = _tokens(question.text) + 3
    why = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(said.stopped)
    reasoning = body.get("reasoning") or {}
    return {
        "id": f"resp_{name}",
        "object": "response",
        "created_at": now_s,
        "completed_at": None if why else now_s,
        "status": "incomplete" if why else "completed",
        "background": False,
        "error": None,
        "incomplete_details": {"reason": why} if why else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": question.limit,
        "max_tool_calls": None,
        "model": question.model.snapshot,
        "output": _output(said, name, "incomplete" if why else "completed"),
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        "safety_identifier": body.get("safety_identifier"),
        "service_tier": "default",
        "temperature": body.get("temperature", 1.0),
        "text": _text_settings(body),
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": body.get("top_logprobs", 0),
        "top_p": body.get("top_p", 1.0),
        "truncation": body.get("truncation", "disabled"),
        "usage": {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": said.tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + said.tokens,
        },
        "user": body.get("user"),
        "metadata": body.get("metadata") or {},
    }


def _text_settings(body: Mapping[str, Any]) -> dict[str, Any]:
    text = body.get("text") or {}
    return {
        "format": text.get("format", {"type": "text"}),
        "verbosity": text.get("verbosity", "medium"),
    }


def _output(said: Said, name: str, status: str) -> list[dict[str, Any]]:
    if said.refusal is not None:
        part: dict[str, Any] = {"type": "refusal", "refusal": said.refusal}
    elif said.text is not None:
        part = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
    else:
        return []
    message = {"id": f"msg_{name}", "type": "message", "role": "assistant"}
    return [message | {"status": status, "content": [part]}]
