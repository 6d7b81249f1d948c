"""The tools of callfleet.yaml: what an agent may do on a call. Pure."""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from callfleet.config_part import Part

BuiltinName = Literal[
    "end_call",
    "transfer_call",
    "stay_quiet",
    "send_dtmf",
    "take_message",
    "schedule_callback",
    "search_knowledge",
]
ToolName = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="What the model calls the tool."),
]
ToolDescription = Annotated[str, Meta(description="Tells the model when and how to use the tool.")]
JsonSchema = Annotated[dict[str, Any], Meta(description="JSON Schema of the arguments.")]
ToolTimeout = Annotated[float, Meta(gt=0, le=120, description="Seconds the tool may take.")]


class HttpTool(Part, frozen=True, kw_only=True, tag_field="kind", tag="http"):
    """A tool that is an HTTP endpoint."""

    name: ToolName
    description: ToolDescription
    url: Annotated[str, Meta(description="https:// address that is called.")]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: Annotated[
        dict[str, str], Meta(description="Sent along; ${NAME} is taken from the environment.")
    ] = field(default_factory=dict)
    parameters: JsonSchema = field(default_factory=dict)
    timeout_s: ToolTimeout = 10.0


class PythonTool(Part, frozen=True, kw_only=True, tag_field="kind", tag="python"):
    """A tool that is a Python function; name and arguments default to its signature."""

    python: Annotated[str, Meta(description="Where it lives: package.module:function.")]
    name: ToolName | None = None
    description: ToolDescription | None = None
    parameters: JsonSchema | None = None
    timeout_s: ToolTimeout = 10.0


class BuiltinTool(Part, frozen=True, kw_only=True, tag_field="kind", tag="builtin"):
    """A tool that Callfleet brings; may be written as its bare name."""

    builtin: BuiltinName
    options: Annotated[dict[str, Any], Meta(description="The built-in's own settings.")] = field(
        default_factory=dict
    )


Tool = HttpTool | PythonTool | BuiltinTool
