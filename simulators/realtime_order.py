"""What a response is asked to be, and what has come of it so far."""

from dataclasses import dataclass, field
from typing import Any

from simulators.realtime_items import Item

Details = dict[str, Any]


@dataclass(slots=True)
class Order:
    """What a response was asked to be: the session's settings with this response's changes."""

    instructions: str
    order: str
    modality: str
    tools: list[dict[str, Any]]
    tool_choice: Any
    parallel: bool
    max_output_tokens: Any
    audio_format: dict[str, Any]
    voice: str
    speed: float
    items: list[Item]
    in_conversation: bool = True
    metadata: dict[str, str] | None = None


@dataclass(slots=True)
class Ending:
    status: str = "completed"
    details: Details | None = None


@dataclass(slots=True)
class Answered:
    """What came out so far."""

    items: list[dict[str, Any]] = field(default_factory=list)
    text_tokens: int = 0
    audio_ms: int = 0
    deltas: int = 0
