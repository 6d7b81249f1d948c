"""An agent's `session:` block: every field that the API's session has, as it has them. Pure.

Checked when the file is read, so that a slip of the pen is a line in a terminal and not a session
refused in front of a caller. What is left out is not sent; `null` is sent where the API knows it.
What a leg or the agent's own fields decide (formats, model) is not in here.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from callfleet.config_part import Part

Effort = Literal["minimal", "low", "medium", "high", "xhigh"]
Text = Annotated[str, Meta(min_length=1)]
Share = Annotated[float, Meta(ge=0, le=1)]


class ServerVad(Part, frozen=True, kw_only=True, tag_field="type", tag="server_vad"):
    """The caller's turn ends when it has been quiet for a while."""

    threshold: Share | UnsetType = UNSET
    prefix_padding_ms: Annotated[int, Meta(ge=0, le=10_000)] | UnsetType = UNSET
    silence_duration_ms: Annotated[int, Meta(ge=0, le=10_000)] | UnsetType = UNSET
    idle_timeout_ms: Annotated[int, Meta(ge=5000, le=30000)] | UnsetType | None = UNSET
    create_response: bool | UnsetType = UNSET
    interrupt_response: bool | UnsetType = UNSET


class SemanticVad(Part, frozen=True, kw_only=True, tag_field="type", tag="semantic_vad"):
    """The caller's turn ends when a model finds that it sounded finished."""

    eagerness: Literal["low", "medium", "high", "auto"] | UnsetType = UNSET
    create_response: bool | UnsetType = UNSET
    interrupt_response: bool | UnsetType = UNSET


TurnDetection = ServerVad | SemanticVad


class NoiseReduction(Part, frozen=True, kw_only=True):
    """Takes noise out before anybody listens."""

    type: Literal["near_field", "far_field"]
    strength: Annotated[float, Meta(ge=0)] | UnsetType = UNSET


class Transcription(Part, frozen=True, kw_only=True):
    """How the caller is written down."""

    model: Text
    language: Annotated[str, Meta(pattern=r"^[a-z]{2}$")] | UnsetType = UNSET
    languages: tuple[Annotated[str, Meta(pattern=r"^[a-z]{2}$")], ...] | UnsetType = UNSET
    keywords: tuple[Text, ...] | UnsetType = UNSET
    prompt: str | UnsetType = UNSET
    delay: Effort | UnsetType = UNSET


class Format(Part, frozen=True, kw_only=True):
    """Accepted and not used: the leg decides."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
    rate: Literal[24000] | UnsetType = UNSET


class AudioInput(Part, frozen=True, kw_only=True):
    """The caller's side."""

    format: Format | UnsetType = UNSET
    noise_reduction: NoiseReduction | UnsetType | None = UNSET
    transcription: Transcription | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET


class VoiceId(Part, frozen=True, kw_only=True):
    """A voice of one's own."""

    id: Text


class AudioOutput(Part, frozen=True, kw_only=True):
    """The agent's side."""

    format: Format | UnsetType = UNSET
    voice: Text | VoiceId | UnsetType = UNSET
    speed: Annotated[float, Meta(ge=0.25, le=1.5)] | UnsetType = UNSET


class Audio(Part, frozen=True, kw_only=True):
    """What is heard, both ways."""

    input: AudioInput | UnsetType = UNSET
    output: AudioOutput | UnsetType = UNSET


class FunctionTool(Part, frozen=True, kw_only=True, tag_field="type", tag="function"):
    """As the API describes one."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET


class ToolFilter(Part, frozen=True, kw_only=True):
    """Which of a server's tools."""

    tool_names: tuple[str, ...] | UnsetType = UNSET
    read_only: bool | UnsetType = UNSET


class Approval(Part, frozen=True, kw_only=True):
    """Which of them need to be approved."""

    always: ToolFilter | UnsetType = UNSET
    never: ToolFilter | UnsetType = UNSET


class McpTool(Part, frozen=True, kw_only=True, tag_field="type", tag="mcp"):
    """A Model Context Protocol server, which the API calls by itself."""

    server_label: Text
    server_url: Text | UnsetType = UNSET
    connector_id: (
        Literal[
            "connector_dropbox",
            "connector_gmail",
            "connector_googlecalendar",
            "connector_googledrive",
            "connector_microsoftteams",
            "connector_outlookcalendar",
            "connector_outlookemail",
            "connector_sharepoint",
        ]
        | UnsetType
    ) = UNSET
    tunnel_id: Text | UnsetType = UNSET
    authorization: str | UnsetType = UNSET
    headers: dict[str, str] | UnsetType | None = UNSET
    allowed_tools: tuple[str, ...] | ToolFilter | UnsetType | None = UNSET
    require_approval: Literal["always", "never"] | Approval | UnsetType | None = UNSET
    server_description: str | UnsetType = UNSET
    defer_loading: bool | UnsetType = UNSET
    allowed_callers: tuple[Literal["direct", "programmatic"], ...] | UnsetType | None = UNSET


class ChosenFunction(Part, frozen=True, kw_only=True, tag_field="type", tag="function"):
    """This one, each time."""

    name: Text


class ChosenMcp(Part, frozen=True, kw_only=True, tag_field="type", tag="mcp"):
    """One of this server's, each time."""

    server_label: Text
    name: str | UnsetType | None = UNSET


class Reasoning(Part, frozen=True, kw_only=True):
    """How long a reasoning model thinks before it speaks."""

    effort: Effort | UnsetType = UNSET


class TokenLimits(Part, frozen=True, kw_only=True):
    """Where truncation begins."""

    post_instructions: Annotated[int, Meta(ge=0)] | UnsetType = UNSET


class Retention(Part, frozen=True, kw_only=True, tag_field="type", tag="retention_ratio"):
    """Drop more at once, so that what is left stays cached for longer."""

    retention_ratio: Share
    token_limits: TokenLimits | UnsetType = UNSET


class Tracing(Part, frozen=True, kw_only=True):
    """Into OpenAI's own traces."""

    workflow_name: str | UnsetType = UNSET
    group_id: str | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET


Truncation = Literal["auto", "disabled"] | Retention
MaxOutputTokens = Annotated[int, Meta(ge=1, le=4096)] | Literal["inf"]


class Session(Part, frozen=True, kw_only=True):
    """Fields of the API's session, as the API has them; they win over the agent's own."""

    type: Literal["realtime"] | UnsetType = UNSET
    output_modalities: (
        Annotated[tuple[Literal["audio"], ...], Meta(min_length=1, max_length=1)] | UnsetType
    ) = UNSET
    instructions: Text | UnsetType = UNSET
    audio: Audio | UnsetType = UNSET
    tools: tuple[FunctionTool | McpTool, ...] | UnsetType = UNSET
    tool_choice: Literal["none", "auto", "required"] | ChosenFunction | ChosenMcp | UnsetType = (
        UNSET
    )
    parallel_tool_calls: bool | UnsetType = UNSET
    reasoning: Reasoning | UnsetType = UNSET
    max_output_tokens: MaxOutputTokens | UnsetType = UNSET
    truncation: Truncation | UnsetType = UNSET
    tracing: Literal["auto"] | Tracing | UnsetType | None = UNSET
    include: tuple[Literal["item.input_audio_transcription.logprobs"], ...] | UnsetType = UNSET
