"""From plain data to typed structs, finding every mistake on the way. Pure.

msgspec stops at the first thing it does not like; somebody fixing a file wants the whole list. So
the tree is walked here, one msgspec conversion a leaf. What cannot be read is noted with its path
and replaced by its default, or by `UNREAD` where there is none, so that the checks that follow can
still look at the rest; nothing built from a tree with mistakes ever leaves `load_config`.
"""

import re
import types
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

import msgspec

from callfleet.config_part import FILLED_IN
from callfleet.config_tools import BuiltinTool, HttpTool, PythonTool
from callfleet.config_tree import Mistakes, below, did_you_mean

UNREAD: Final[Any] = None

_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}
_TOOL_KINDS: dict[str, type[msgspec.Struct]] = {
    "http": HttpTool,
    "python": PythonTool,
    "builtin": BuiltinTool,
}
T = TypeVar("T", bound=msgspec.Struct)


def decode(cls: type[T], value: Any, path: str, mistakes: Mistakes, *, name: str = "") -> T:
    """The struct as far as it can be read; what is wrong is in `mistakes`."""
    if not isinstance(value, dict):
        mistakes.add(path, f"must be a mapping, not {_kind(value)}")
        value = {}
    readable = {
        field.name: field for field in msgspec.structs.fields(cls) if not _is_filled(field.type)
    }
    tag = cls.__struct_config__.tag_field
    known = [*readable, tag] if tag else list(readable)
    what = f" for {cls.__struct_config__.tag}" if tag == "type" else ""
    for key in value:
        if key not in known:
            mistakes.add(below(path, key), f"unknown key{what}{did_you_mean(str(key), known)}")
    found: dict[str, Any] = {"name": name} if "name" not in readable and name else {}
    for key, field in readable.items():
        if key in value:
            at = below(path, key)
            before = at in mistakes
            got = _value(field.type, value[key], at, mistakes)
            if got is not UNREAD or (at not in mistakes and not before):
                found[key] = got
        elif field.required:
            mistakes.add(below(path, key), "is required")
        if field.required:
            found.setdefault(key, UNREAD)
    return cls(**found)


def _is_filled(hint: Any) -> bool:
    return any(
        isinstance(part, msgspec.Meta) and part.extra == FILLED_IN
        for part in getattr(hint, "__metadata__", ())
    )


def _value(hint: Any, value: Any, path: str, mistakes: Mistakes) -> Any:
    """One field: a struct, a collection of structs, a tool, or a leaf."""
    bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    origin, arguments = get_origin(bare), get_args(bare)
    if _is_struct(bare):
        return decode(bare, value, path, mistakes)
    if origin is dict and arguments[1] is not Any:
        return _entries(arguments[1], value, path, mistakes)
    if origin is tuple:
        return _items(arguments[0], value, path, mistakes)
    if origin in (Union, types.UnionType):
        return _one_of(hint, arguments, value, path, mistakes)
    return _leaf(hint, value, path, mistakes)


def _one_of(
    hint: Any, arguments: tuple[Any, ...], value: Any, path: str, mistakes: Mistakes
) -> Any:
    """What is a mapping or a list itself is looked into; the rest is a leaf."""
    if set(_TOOL_KINDS.values()) <= set(arguments):
        return _tool(value, path, mistakes)
    structs = [one for one in arguments if _is_struct(one)]
    if isinstance(value, dict) and structs:
        return _tagged(structs, value, path, mistakes)
    for one in arguments:
        if isinstance(value, list) and get_origin(one) is tuple and _holds_structs(one):
            return _items(get_args(one)[0], value, path, mistakes)
    return _leaf(hint, value, path, mistakes)


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _holds_structs(hint: Any) -> bool:
    return any(_is_struct(part) or _holds_structs(part) for part in get_args(hint))


def _tagged(
    structs: list[type[msgspec.Struct]], value: dict[Any, Any], path: str, mistakes: Mistakes
) -> Any:
    """Of several mappings the one whose `type` it states."""
    if len(structs) == 1 and structs[0].__struct_config__.tag_field is None:
        return decode(structs[0], value, path, mistakes)
    by_tag = {str(one.__struct_config__.tag): one for one in structs}
    stated = value.get("type")
    if not isinstance(stated, str) or stated not in by_tag:
        mistakes.add(below(path, "type"), f"must be one of {', '.join(by_tag)}")
        return UNREAD
    return decode(by_tag[stated], value, path, mistakes)


def _entries(hint: Any, value: Any, path: str, mistakes: Mistakes) -> dict[str, Any]:
    if not isinstance(value, dict):
        mistakes.add(path, f"must be a mapping, not {_kind(value)}")
        return {}
    found: dict[str, Any] = {}
    for key, entry in value.items():
        at = below(path, key)
        if not isinstance(key, str):
            mistakes.add(at, "a name must be text: put it in quotes")
        if _is_struct(hint):
            found[str(key)] = decode(hint, entry, at, mistakes, name=str(key))
        elif (read := _value(hint, entry, at, mistakes)) is not UNREAD:
            found[str(key)] = read
    return found


def _items(hint: Any, value: Any, path: str, mistakes: Mistakes) -> tuple[Any, ...]:
    if not isinstance(value, list):
        mistakes.add(path, f"must be a list, not {_kind(value)}")
        return ()
    read = (_value(hint, item, f"{path}[{n}]", mistakes) for n, item in enumerate(value))
    return tuple(item for item in read if item is not UNREAD)


def _tool(value: Any, path: str, mistakes: Mistakes) -> Any:
    """Its kind is plain from its keys, so nobody has to write it; a bare word is a built-in."""
    if isinstance(value, str):
        return decode(BuiltinTool, {"builtin": value}, path, mistakes)
    if not isinstance(value, dict):
        mistakes.add(path, f"must be a mapping or a built-in tool's name, not {_kind(value)}")
        return UNREAD
    telling = {"url": "http", "python": "python", "builtin": "builtin"}
    kinds = [kind for key, kind in telling.items() if key in value]
    stated = value.get("kind")
    if stated is not None and stated not in _TOOL_KINDS:
        mistakes.add(below(path, "kind"), f"must be one of {', '.join(_TOOL_KINDS)}")
        return UNREAD
    if len(kinds) > 1 or (stated and kinds and kinds != [stated]):
        claims = dict.fromkeys([*kinds, stated or kinds[0]])
        mistakes.add(path, f"is it {' or '.join(claims)}? only one can be")
        return UNREAD
    if not kinds and stated is None:
        mistakes.add(path, f"needs one of {', '.join(telling)}, to say what it calls")
        return UNREAD
    return decode(_TOOL_KINDS[stated or kinds[0]], value, path, mistakes)


def _leaf(hint: Any, value: Any, path: str, mistakes: Mistakes) -> Any:
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        message, inner = _plain_words(str(error))
        mistakes.add(path + inner, message + _choices(hint, value))
    except RecursionError:
        mistakes.add(path, "is nested too deep")
    return UNREAD


def _choices(hint: Any, value: Any) -> str:
    """For a closed set of words: which they are, and the nearest."""
    words = _literals(hint)
    if not words or not isinstance(value, str):
        return ""
    return f" (one of {', '.join(words)}){did_you_mean(value, words)}"


def _literals(hint: Any) -> list[str]:
    if isinstance(hint, str):
        return [hint]
    return [word for part in get_args(hint) for word in _literals(part)]


def _plain_words(error: str) -> tuple[str, str]:
    """msgspec's message for people, and where inside the leaf it points."""
    message, _, inner = error.partition(" - at ")
    inner = inner.strip("`").removeprefix("key in ").strip("`")
    inner = re.sub(r"\[\.\.\.\]|\A\$", "", inner)
    if wrong := re.fullmatch(r"Expected `([^`]+)`, got `([^`]+)`", message):
        wanted = " or ".join(_WORDS.get(word, word) for word in wrong[1].split(" | "))
        return f"must be {wanted}, not {_WORDS.get(wrong[2], wrong[2])}", inner
    if bound := re.fullmatch(r"Expected `(\w+)` (of length )?([<>=]+) ([^ ]+)", message):
        return _bound(*bound.groups()), inner
    if shape := re.fullmatch(r"Expected `str` matching regex '(.*)'", message):
        return f"must look like {shape[1]}", inner
    if message.startswith("Invalid enum value"):
        return "is not a known value", inner
    return message, inner


def _bound(kind: str, length: str | None, sign: str, limit: str) -> str:
    words = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}[sign]
    if length and (sign, limit) == (">=", "1"):
        return "must not be empty"
    return f"must be {words} {limit}" + (" long" if length else "")


def _kind(value: Any) -> str:
    if value is None:
        return "empty"
    name = {"dict": "object", "list": "array"}.get(type(value).__name__, type(value).__name__)
    return _WORDS.get(name, name)
