"""How an environment variable's text becomes a value. Pure.

Each raises ValueError with what was expected, never with what was given: it may be a secret that
slipped into the wrong variable.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from callfleet.redis_url import SENTINEL_SCHEMES, watched

SECRET_MIN: Final = 16
KEY_BYTES: Final = 32
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)\Z")
_PASSWORD = re.compile(r"(password=)[^&]*")
_LOCAL = ("localhost", "127.0.0.1", "::1")


def text(raw: str) -> str:
    return raw


def whole(low: int = 0, high: int = 1_000_000) -> Callable[[str], int]:
    """A whole number within bounds."""

    def parse(raw: str) -> int:
        if not re.fullmatch(r"[+-]?\d{1,18}", raw) or not low <= int(raw) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(raw)

    return parse


def number(low: float = 0.0, high: float = 1e9) -> Callable[[str], float]:
    """A number within bounds."""

    def parse(raw: str) -> float:
        try:
            value = float(raw)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return value

    return parse


port: Final = whole(0, 65535)  # 0: any free one, told in the `ready` line


def duration(raw: str) -> float:
    """Seconds from `30`, `30s`, `500ms`, `5m` or `1h`."""
    match = _DURATION.match(raw)
    if not match:
        raise ValueError("must be a time like 30s, 500ms, 5m or 1h (a bare number is seconds)")
    return float(match[1]) * _UNIT_S[match[2]]


def boolean(raw: str) -> bool:
    if raw.lower() in ("1", "true", "yes", "on"):
        return True
    if raw.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("must be true or false")


def choice(*words: str) -> Callable[[str], str]:
    """One of a closed set of words."""

    def parse(raw: str) -> str:
        if raw.lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return raw.lower()

    return parse


def address(*schemes: str) -> Callable[[str], str]:
    """A URL of one of the schemes, with a host (or, for unix sockets, a path)."""

    def parse(raw: str) -> str:
        forms = " or ".join(f"{scheme}://..." for scheme in schemes)
        try:
            parts = urlsplit(raw)
            local = parts.scheme.partition("+")[0] in ("unix", "sqlite")
            reachable = parts.path if local else parts.hostname
            _ = parts.port  # a port that is no number raises here
        except ValueError:
            raise ValueError(f"must be a URL: {forms}") from None
        if parts.scheme not in schemes or not reachable:
            raise ValueError(f"must be a URL: {forms}")
        return raw

    parse.is_address = True  # type: ignore[attr-defined] # may carry a password: kept out of reprs
    return parse


def redis_address(raw: str) -> str:
    """One Redis, or a primary that Sentinels know."""
    return raw if watched(raw) is not None else _one_redis(raw)


redis_address.is_address = True  # type: ignore[attr-defined] # as those of `address`
_one_redis: Final = address("redis", "rediss", "unix", *SENTINEL_SCHEMES)


def origin(raw: str) -> str:
    """`https://host[:port]`: what carriers sign and dial; plain http only on this machine."""
    told = "must be https://host with no path, query or password (http:// only for localhost)"
    try:
        parts = urlsplit(raw.rstrip("/"))
        local = parts.scheme == "http" and parts.hostname in _LOCAL
        _ = parts.port
    except ValueError:
        raise ValueError(told) from None
    extra = parts.path or parts.query or parts.fragment or parts.username
    if not parts.hostname or extra or not (parts.scheme == "https" or local):
        raise ValueError(told)
    return raw.rstrip("/")


def long_enough(raw: str) -> str:
    """A secret worth its name."""
    if len(raw) < SECRET_MIN:
        raise ValueError(f"must be at least {SECRET_MIN} characters")
    return raw


def keys(raw: str) -> str:
    """Encryption keys: checked here for shape, taken apart by the key ring."""
    for index, one in enumerate(raw.split(",")):
        if not _is_key(one.strip()):
            raise ValueError(
                f"key {index + 1} must be {KEY_BYTES} bytes in base64 or hex"
                " (make one: openssl rand -base64 32)"
            )
    return raw


def _is_key(raw: str) -> bool:
    if len(raw) == 2 * KEY_BYTES and re.fullmatch(r"[0-9a-fA-F]+", raw):
        return True
    try:
        plain = raw.replace("-", "+").replace("_", "/")
        return len(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)) == KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def without_credentials(raw: str) -> str:
    """A URL as it may be shown: user and password replaced; anything else unchanged."""
    try:
        parts = urlsplit(raw)
    except ValueError:
        return raw
    if not parts.scheme:
        return raw
    query = _PASSWORD.sub(r"\1***", parts.query)
    _, at, host = parts.netloc.rpartition("@")
    if not at and query == parts.query:
        return raw
    return urlunsplit(parts._replace(netloc=f"***@{host}" if at else host, query=query))
