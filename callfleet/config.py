"""callfleet.yaml: orgs, agents, numbers. Pure; this is the module to import.

A file is either whole or refused: `load_config` raises `ConfigFault` with every mistake at once,
each with its path and line, so that one edit can mend them all.
"""

from typing import Any, Final

import msgspec

from callfleet.config_beta import translate
from callfleet.config_checks import check, tool_name
from callfleet.config_decode import decode
from callfleet.config_model import (
    Agent,
    Analysis,
    AudioWatch,
    Config,
    Org,
    Overflow,
    PushToTalk,
    Queue,
)
from callfleet.config_session_checks import VOICES
from callfleet.config_tools import BuiltinTool, HttpTool, PythonTool, Tool
from callfleet.config_tree import Mistakes, below, read_yaml
from callfleet.config_turns import PRESETS, resolved_turn_detection
from callfleet.errors import ConfigFault

__all__ = [
    "PRESETS",
    "VOICES",
    "Agent",
    "Analysis",
    "AudioWatch",
    "BuiltinTool",
    "Config",
    "HttpTool",
    "Org",
    "Overflow",
    "PushToTalk",
    "PythonTool",
    "Queue",
    "Tool",
    "json_schema",
    "load_config",
    "resolved_turn_detection",
    "tool_name",
]

_TOOLS: Final = ("HttpTool", "PythonTool", "BuiltinTool")


def load_config(text: str) -> Config:
    """The file, decoded and checked; raises `ConfigFault` with all that is wrong with it."""
    mistakes = Mistakes()
    tree = read_yaml(text, mistakes)
    if tree is None:
        raise ConfigFault(["the file is empty: it needs orgs, agents and numbers"])
    if isinstance(tree, dict):
        _name_the_only_org(tree)
        _quote_numbers(tree, mistakes)
        _translate(tree, mistakes)
    config = decode(Config, tree, "", mistakes)
    check(config, mistakes)
    if mistakes:
        raise ConfigFault(mistakes.texts())
    return msgspec.structs.replace(config, warnings=tuple(mistakes.warnings))


def _name_the_only_org(tree: dict[Any, Any]) -> None:
    """With one org there is nothing to choose, so agents need not say it."""
    orgs, agents = tree.get("orgs"), tree.get("agents")
    if isinstance(orgs, dict) and len(orgs) == 1 and isinstance(agents, dict):
        for agent in agents.values():
            if isinstance(agent, dict):
                agent.setdefault("org", str(next(iter(orgs))))


def _translate(tree: dict[Any, Any], mistakes: Mistakes) -> None:
    """Session blocks that were written for the API's beta."""
    agents = tree.get("agents")
    for name, agent in agents.items() if isinstance(agents, dict) else ():
        if isinstance(agent, dict):
            translate(agent, below("agents", name), mistakes)


def _quote_numbers(tree: dict[Any, Any], mistakes: Mistakes) -> None:
    """Unquoted, +15551230000 is an integer to YAML and the plus is gone."""
    numbers = tree.get("numbers")
    if not isinstance(numbers, dict):
        return
    for key in [key for key in numbers if not isinstance(key, str)]:
        mistakes.add(f'numbers."{key}"', f'put the number in quotes: "+{key}"')
        del numbers[key]


def json_schema() -> dict[str, Any]:
    """For editors: generated from the types, so it can never say something else than they do."""
    # Through JSON once, so that it equals what is read back from the file.
    schema: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(Config)))
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "callfleet.yaml"
    parts = schema["$defs"]
    for name in ("Org", "Agent"):
        parts[name]["properties"].pop("name")  # it is the entry's key
    parts["Config"]["properties"].pop("warnings")
    for name in _TOOLS:
        parts[name]["required"].remove("kind")  # plain from the other keys
    choices = [{"$ref": f"#/$defs/{name}"} for name in _TOOLS]
    bare = {"enum": parts["BuiltinTool"]["properties"]["builtin"]["enum"]}
    parts["Agent"]["properties"]["tools"]["items"] = {"anyOf": [*choices, bare]}
    return schema
