"""The policy speaks no API's words: another engine must be able to say and do all of it."""

import ast
import re
from pathlib import Path

import pytest

WORKER = Path(__file__).parents[3] / "services" / "worker"
POLICY = (
    *("facts", "orders", "manner", "dialogue", "conversation", "scene", "turns", "silence"),
    *("endings", "recovery", "resumption", "rotation", "hearing", "changes", "floor", "voice"),
    *("playout", "transcript", "memory", "keypad", "ear"),
)
# What the Realtime API calls things, and its successor does not.
_FOREIGN = re.compile(
    r"vad\b|server_vad|semantic|delta|modalit|commit|input_audio|output_audio|eagerness|logprob"
    r"|\bresponse|openai|websocket"
)


@pytest.mark.parametrize("module", POLICY)
def test_no_name_in_the_policy_is_one_api_s_own(module: str) -> None:
    tree = ast.parse((WORKER / f"{module}.py").read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    names |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    assert {name for name in names if _FOREIGN.search(name.lower())} == set()


def test_the_policy_is_named_in_full() -> None:
    """A new module of rules has to be put on the list, or among the API's own."""
    apis = {"interpreter", "account", "agents", "endpoint", "line", "realtime", "recordings"}
    shell = {"app", "call", "clerk", "leases", "metrics", "ports", "settings", "talk", "address"}
    money = {"spending", "usage", "report"}
    found = {path.stem for path in WORKER.glob("*.py")} - {"__init__"}
    rest = {name for name in found if not name.startswith("realtime_")}
    assert rest == set(POLICY) | apis | shell | money
