"""From YAML text to plain data, knowing the line of everything. Pure.

Composed to nodes first, not loaded straight away: only the nodes know their lines, and only they
show a key that was written twice, which a loader would silently let win.
"""

import difflib
import re
from collections.abc import Iterable
from typing import Any

import yaml

from callfleet.errors import ConfigFault

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_NESTING_MAX = 50  # deeper is a mistake or an attack, and would exhaust the stack


def below(path: str, key: object) -> str:
    """The path of one key of a mapping."""
    shown = str(key) if _PLAIN_KEY.match(str(key)) else f'"{key}"'
    return f"{path}.{shown}" if path else shown


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`, did you mean x?` where something close exists, nothing otherwise."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean {close[0]}?" if close else ""


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Which there are, or the one that was most likely meant."""
    known = list(known)
    hint = did_you_mean(name, known) or (f", known: {', '.join(known)}" if known else "")
    return f"unknown {what} {name!r}{hint}"


class Mistakes:
    """Everything wrong so far: one mistake a path, the first one found, with its line."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self.warnings: list[str] = []
        self._by_path: dict[str, str] = {}

    def warn(self, path: str, message: str) -> None:
        """Nothing that keeps the file from being used: told, and gone on with."""
        line = self._line(path)
        self.warnings.append(f"{path}: {message}" + (f" (line {line})" if line else ""))

    def add(self, path: str, message: str) -> None:
        if path not in self._by_path:
            line = self._line(path)
            where = f" (line {line})" if line else ""
            self._by_path[path] = f"{path}: {message}{where}" if path else message + where

    def texts(self) -> list[str]:
        """In the order of the file."""
        return [self._by_path[path] for path in sorted(self._by_path, key=self._line)]

    def __contains__(self, path: str) -> bool:
        return path in self._by_path

    def __bool__(self) -> bool:
        return bool(self._by_path)

    def _line(self, path: str) -> int:
        """Of the path, or of the nearest thing above it that is in the file; 0 for nothing."""
        above = [known for known in self.lines if path.startswith(known)]
        return self.lines[max(above, key=len)] if above else 0


def read_yaml(text: str, mistakes: Mistakes) -> Any:
    """The file as dicts, lists and scalars; raises only when there is no tree to look at."""
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            return None if node is None else _Reader(loader, mistakes).plain(node, "", ())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        told = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigFault([f"{where}not YAML: {told}"]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigFault([f"not YAML: {first}"]) from None


class _Reader:
    def __init__(self, loader: yaml.SafeLoader, mistakes: Mistakes) -> None:
        self._loader = loader
        self._mistakes = mistakes

    def plain(self, node: yaml.Node, path: str, above: tuple[yaml.Node, ...]) -> Any:
        self._mistakes.lines.setdefault(path, node.start_mark.line + 1)
        if any(node is one for one in above):
            self._mistakes.add(path, "refers to itself")
            return None
        if len(above) > _NESTING_MAX:
            self._mistakes.add(path, f"is nested more than {_NESTING_MAX} deep")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, (*above, node))
        if isinstance(node, yaml.SequenceNode):
            return [
                self.plain(child, f"{path}[{index}]", (*above, node))
                for index, child in enumerate(node.value)
            ]
        return self._loader.construct_object(node)

    def _mapping(
        self, node: yaml.MappingNode, path: str, above: tuple[yaml.Node, ...]
    ) -> dict[Any, Any]:
        first_line: dict[object, int] = {}
        for key_node, _value in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue
            line = key_node.start_mark.line + 1
            if key_node.value in first_line:
                key_path = below(path, key_node.value)
                self._mistakes.lines[key_path] = line
                told = f"is written twice, first on line {first_line[key_node.value]}"
                self._mistakes.add(key_path, told)
            first_line.setdefault(key_node.value, line)
        self._loader.flatten_mapping(node)
        found: dict[Any, Any] = {}
        for key_node, value in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._mistakes.add(path, "a key must be a word, not a list or a mapping")
                continue
            key = self._loader.construct_object(key_node)
            key_path = below(path, key_node.value if isinstance(key, bool | None) else key)
            self._mistakes.lines.setdefault(key_path, key_node.start_mark.line + 1)
            found[key] = self.plain(value, key_path, above)
        return found
