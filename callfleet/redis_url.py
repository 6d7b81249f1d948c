"""Where Redis is, as REDIS_URL says it: one server, or a name that Sentinels know. Pure.

`redis+sentinel://[user:password@]host[:port],host[:port].../name[?db=0]` names a primary that
Sentinels watch; `rediss+sentinel://` speaks TLS to it and to them. `sentinel_username` and
`sentinel_password` are for Sentinels that ask for a login of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

SENTINEL_SCHEMES: Final = ("redis+sentinel", "rediss+sentinel")
_SENTINEL_PORT, _REDIS_PORT = 26379, 6379
_TOLD: Final = "must be redis+sentinel://host:port,host:port/name-of-the-primary"


@dataclass(frozen=True, slots=True)
class Watched:
    """A primary by its name, and who knows where it is."""

    sentinels: tuple[tuple[str, int], ...]
    name: str
    tls: bool
    login: Mapping[str, str] = field(default_factory=dict, repr=False)
    sentinel_login: Mapping[str, str] = field(default_factory=dict, repr=False)
    db: int = 0


def watched(url: str) -> Watched | None:
    """What a Sentinel URL names; None for any other URL. Raises ValueError, without the URL."""
    parts = urlsplit(url)
    if parts.scheme not in SENTINEL_SCHEMES:
        return None
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    options = dict(parse_qsl(parts.query))
    name = unquote(parts.path.strip("/"))
    if not name or "/" in name or not options.keys() <= _OPTIONS or not _whole(options):
        raise ValueError(_TOLD)
    return Watched(
        sentinels=tuple(_node(host) for host in hosts.split(",")),
        name=name,
        tls=parts.scheme == "rediss+sentinel",
        login=_given(username=unquote(user), password=unquote(password)),
        sentinel_login=_given(
            username=options.get("sentinel_username", ""),
            password=options.get("sentinel_password", ""),
        ),
        db=int(options.get("db", "0")),
    )


_OPTIONS: Final = {"db", "sentinel_username", "sentinel_password"}


def _whole(options: Mapping[str, str]) -> bool:
    return options.get("db", "0").isdecimal()


def _given(**login: str) -> dict[str, str]:
    return {name: value for name, value in login.items() if value}


def _node(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port or _SENTINEL_PORT
    except ValueError:
        raise ValueError(_TOLD) from None
    if not host or parts.path:
        raise ValueError(_TOLD)
    return host, port


def first_host(url: str) -> tuple[str, int] | None:
    """Some machine on the network that Redis is on; None: this one, by a unix socket."""
    if (found := watched(url)) is not None:
        return found.sentinels[0]
    parts = urlsplit(url)
    return None if not parts.hostname else (parts.hostname, parts.port or _REDIS_PORT)
