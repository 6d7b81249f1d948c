"""What types cannot say about callfleet.yaml: names that must exist, choices that must agree. Pure.

Runs on a tree that may have holes (`UNREAD`): whatever was noted already is skipped, and nothing
here may fail because of it.
"""

import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

from callfleet.config_model import Agent, Config, Org, Overflow
from callfleet.config_patience import check_patience
from callfleet.config_session_checks import check_session, voice_mistake
from callfleet.config_tools import HttpTool, PythonTool, Tool
from callfleet.config_tree import Mistakes, below, unknown

_E164 = re.compile(r"\+[1-9]\d{6,14}\Z")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}\Z")  # also a part of Redis keys and of labels
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z")


def check(config: Config, mistakes: Mistakes) -> None:
    """Everything that needs more than one place of the file to see, or more than a type."""
    holes: dict[str, dict[str, Any]] = {
        part: {} for part in ("orgs", "agents") if getattr(config, part) is None
    }
    config = msgspec.structs.replace(config, **holes)
    for part in ("orgs", "agents"):
        if not getattr(config, part):
            mistakes.add(part, "needs at least one entry")
    for name, org in config.orgs.items():
        _check_org(org, below("orgs", name), mistakes)
    for name, agent in config.agents.items():
        _check_agent(agent, config, below("agents", name), mistakes)
    for number, agent_name in config.numbers.items():
        path = below("numbers", number)
        if not _E164.match(number):
            mistakes.add(path, "is not a phone number in E.164 form, like +15551230000")
        elif agent_name not in config.agents:
            mistakes.add(path, unknown("agent", agent_name, config.agents))


def _check_name(name: str, path: str, mistakes: Mistakes) -> None:
    if not _NAME.match(name):
        mistakes.add(path, "a name is letters, digits, _ and -, begins with a letter, at most 63")


def _check_org(org: Org, path: str, mistakes: Mistakes) -> None:
    _check_name(org.name, path, mistakes)
    if not _ENV_NAME.match(org.api_key_env):
        # The value is not repeated: it is most likely the key itself.
        told = "must be the name of an environment variable; keys do not belong in this file"
        mistakes.add(below(path, "api_key_env"), told)
    if org.sessions is not None and org.reserve >= org.sessions:
        mistakes.add(below(path, "reserve"), f"must be less than sessions ({org.sessions})")
    if org.queue.hold_audio == "":
        mistakes.add(f"{path}.queue.hold_audio", "must not be empty: name a file, or leave it out")


def _check_agent(agent: Agent, config: Config, path: str, mistakes: Mistakes) -> None:
    _check_name(agent.name, path, mistakes)
    if not agent.org:
        mistakes.add(below(path, "org"), f"is required (one of {', '.join(config.orgs)})")
    elif agent.org not in config.orgs:
        mistakes.add(below(path, "org"), unknown("org", agent.org, config.orgs))
    if wrong := voice_mistake(agent.voice):
        mistakes.add(below(path, "voice"), wrong)
    check_session(agent, path, mistakes)
    check_patience(agent.silence, below(path, "silence"), mistakes)
    for index, name in enumerate(agent.handoffs):
        at = f"{path}.handoffs[{index}]"
        if name == agent.name:
            mistakes.add(at, "hands off to itself")
        elif name not in config.agents:
            mistakes.add(at, unknown("agent", name, config.agents))
        elif name in agent.handoffs[:index]:
            mistakes.add(at, f"{name} is listed twice")
    _check_tools(agent, path, mistakes)
    _check_overflow(agent.overflow, below(path, "overflow"), mistakes)
    for name, schema in agent.analysis.fields.items():
        _check_schema(schema, below(f"{path}.analysis.fields", name), mistakes)


def _check_overflow(overflow: Overflow, path: str, mistakes: Mistakes) -> None:
    kinds = ("dial", "say", "busy", "call_back")
    given = [kind for kind in kinds if getattr(overflow, kind)]
    if len(given) != 1:
        told = f"has {' and '.join(given)}" if given else "says none"
        mistakes.add(path, f"must be exactly one of {', '.join(kinds)}: {told}")
    elif overflow.dial and not _E164.match(overflow.dial):
        mistakes.add(below(path, "dial"), "is not a phone number in E.164 form, like +15551230000")


def _check_tools(agent: Agent, path: str, mistakes: Mistakes) -> None:
    seen: set[str] = set()
    for index, tool in enumerate(agent.tools):
        at = f"{path}.tools[{index}]"
        _check_tool(tool, at, mistakes)
        name = tool_name(tool)
        if name and name in seen:
            mistakes.add(at, f"a tool named {name} is listed already")
        seen.add(name)


def tool_name(tool: Tool) -> str:
    """What the model will call it; a Python function's own name unless the file says otherwise."""
    if isinstance(tool, HttpTool):
        return tool.name or ""
    if isinstance(tool, PythonTool):
        return tool.name or (tool.python or "").rpartition(":")[2]
    return tool.builtin or ""


def _check_tool(tool: Tool, path: str, mistakes: Mistakes) -> None:
    if isinstance(tool, HttpTool):
        parts = urlsplit(tool.url or "")
        if parts.scheme not in ("https", "http") or not parts.hostname:
            mistakes.add(below(path, "url"), "must be an https:// address")
        _check_schema(tool.parameters, below(path, "parameters"), mistakes)
    elif isinstance(tool, PythonTool):
        if not _FUNCTION.match(tool.python or ""):
            mistakes.add(below(path, "python"), "must look like package.module:function")
        _check_schema(tool.parameters or {}, below(path, "parameters"), mistakes)


def _check_schema(schema: dict[str, Any], path: str, mistakes: Mistakes) -> None:
    """Enough of JSON Schema to catch a slip of the pen; the model gets it as it stands."""
    types = ("object", "array", "string", "number", "integer", "boolean", "null")
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind] if kind is not None else []
    for one in kinds:
        if one not in types:
            mistakes.add(below(path, "type"), f"is no JSON Schema type: one of {', '.join(types)}")
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        mistakes.add(below(path, "properties"), "must be a mapping")
        return
    for name, part in properties.items():
        at = below(below(path, "properties"), name)
        if isinstance(part, dict):
            _check_schema(part, at, mistakes)
        else:
            mistakes.add(at, "must be a mapping")
    required = schema.get("required", [])
    for name in required if isinstance(required, list) else []:
        if name not in properties:
            mistakes.add(below(path, "required"), f"names {name!r}, which is not in properties")
