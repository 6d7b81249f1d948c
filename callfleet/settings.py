"""The environment, read once into a frozen dataclass, every mistake reported at once.

A knob is declared where its value lives: name, default, how it is read, one sentence of help. From
those declarations come the reading, the table in the README, the chart's list of variables and the
start log, so none of them can forget one. Secrets are shown as `***` and kept out of every repr.

Only `settings.py` modules touch `os.environ`; everybody else receives values.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from callfleet.config import Config, load_config
from callfleet.errors import ConfigFault
from callfleet.settings_parse import (
    address,
    boolean,
    choice,
    duration,
    keys,
    long_enough,
    number,
    origin,
    port,
    redis_address,
    text,
    whole,
    without_credentials,
)

__all__ = [
    "Knob",
    "ServiceSettings",
    "address",
    "boolean",
    "choice",
    "describe",
    "duration",
    "environment",
    "keys",
    "knob",
    "long_enough",
    "named_secrets",
    "number",
    "origin",
    "port",
    "read",
    "read_config_file",
    "read_one",
    "shown",
    "text",
    "whole",
]

HIDDEN = "***"
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Knob:
    """One environment variable, as documentation shows it."""

    env: str
    default: str | None  # as it would be written; None: required
    help: str
    secret: bool


def knob(
    env: str,
    default: Any = MISSING,
    *,
    parse: Callable[[str], Any] = text,
    secret: bool = False,
    help: str,
    make: Callable[[], Any] | None = None,
) -> Any:
    """A dataclass field filled from `env`; without `default` or `make` it is required."""
    about = {"env": env, "parse": parse, "secret": secret, "help": help}
    # A URL may carry a password, so it stays out of reprs as well.
    hidden = secret or getattr(parse, "is_address", False)
    options: dict[str, Any] = {"metadata": about, "repr": not hidden, "kw_only": True}
    if make is not None:
        return dataclasses.field(default_factory=make, **options)
    if default is not MISSING:
        return dataclasses.field(default=default, **options)
    return dataclasses.field(**options)


def environment() -> Mapping[str, str]:
    """What the process was started with; for `main()` functions, to pass on."""
    return os.environ


def read(cls: type[S], environ: Mapping[str, str]) -> S:
    """Every knob of `cls`; raises `ConfigFault` naming all that are missing or wrong.

    An empty variable counts as absent: that is how compose files and charts write "not set".
    """
    assert dataclasses.is_dataclass(cls)
    found: dict[str, Any] = {}
    mistakes: list[str] = []
    for field in _knobs(cls):
        try:
            found[field.name] = read_one(cls, field.name, environ)
        except ConfigFault as fault:
            mistakes += fault.mistakes
    if mistakes:
        raise ConfigFault(mistakes)
    return cls(**found)


def read_one(cls: Any, name: str, environ: Mapping[str, str]) -> Any:
    """The value of a single field; `ConfigFault` when it is missing or wrong."""
    (field,) = [field for field in _knobs(cls) if field.name == name]
    env, raw = field.metadata["env"], environ.get(field.metadata["env"], "").strip()
    if not raw and _required(field):
        raise ConfigFault([f"{env}: is required: {field.metadata['help']}"])
    if not raw:
        return field.default_factory() if callable(field.default_factory) else field.default
    try:
        return field.metadata["parse"](raw)
    except ValueError as error:
        raise ConfigFault([f"{env}: {error}"]) from None


def _knobs(cls: Any) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(cls) if "env" in field.metadata]


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def describe(cls: Any) -> list[Knob]:
    """The knobs of a settings class, for tables and charts."""
    return [
        Knob(
            env=field.metadata["env"],
            default=None if _required(field) else _written(field),
            help=field.metadata["help"],
            secret=field.metadata["secret"],
        )
        for field in _knobs(cls)
    ]


def _written(field: dataclasses.Field[Any]) -> str:
    return _as_text("" if field.default is MISSING or field.default is None else field.default)


def _as_text(value: Any) -> str:
    """As it would be written into the variable."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def shown(settings: Any) -> dict[str, str]:
    """Each knob's effective value by its variable's name, fit for a log."""
    values: dict[str, str] = {}
    for field in _knobs(settings):
        value = getattr(settings, field.name)
        if field.metadata["secret"]:
            values[field.metadata["env"]] = HIDDEN if value else ""
        else:
            values[field.metadata["env"]] = without_credentials(_as_text(value))
    return values


def named_secrets(names: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Secrets whose variables the configuration names, `{who: variable}`; all or `ConfigFault`."""
    absent = {who: env for who, env in names.items() if not environ.get(env, "").strip()}
    if absent:
        raise ConfigFault([f"{env}: is required by {who}" for who, env in absent.items()])
    return {who: environ[env].strip() for who, env in names.items()}


def read_config_file(path: str) -> Config:
    """`callfleet.yaml`; every mistake and every warning is prefixed with the file's name."""
    try:
        content = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ConfigFault([f"{path}: {why}: set CALLFLEET_CONFIG to your callfleet.yaml"]) from None
    except UnicodeDecodeError as error:
        raise ConfigFault([f"{path}: is not UTF-8 text (byte {error.start})"]) from None
    try:
        config = load_config(content)
        told = tuple(f"{path}: {warning}" for warning in config.warnings)
        return msgspec.structs.replace(config, warnings=told)
    except ConfigFault as fault:
        raise ConfigFault([f"{path}: {mistake}" for mistake in fault.mistakes]) from None


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """What every service has to know."""

    redis_url: str = knob(
        "REDIS_URL",
        "redis://127.0.0.1:6379/0",
        parse=redis_address,
        help="Redis that holds slots, roster, journals and jobs; behind Sentinels:"
        " redis+sentinel://host:port,host:port/name.",
    )
    config_path: str = knob("CALLFLEET_CONFIG", "callfleet.yaml", help="Path of callfleet.yaml.")
    secret: str = knob(
        "CALLFLEET_SECRET",
        parse=long_enough,
        secret=True,
        help="Signs leg tokens and links; the same in every service, at least 16 characters.",
    )
    encryption_keys: str = knob(
        "CALLFLEET_ENCRYPTION_KEYS",
        parse=keys,
        secret=True,
        help="Keys of the journal: 32 bytes each in base64 or hex, newest first, by commas.",
    )
    private_host: str = knob(
        "CALLFLEET_PRIVATE_HOST",
        "0.0.0.0",  # noqa: S104 # a pod is scraped from outside
        help="Where /metrics and health listen.",
    )
    private_port: int = knob(
        "CALLFLEET_PRIVATE_PORT", 9090, parse=port, help="Port of /metrics, /healthz and /readyz."
    )
    drain_timeout_s: float = knob(
        "CALLFLEET_DRAIN_TIMEOUT_S",
        300.0,
        parse=duration,
        help="How long running calls may take to finish after SIGTERM.",
    )
    log_format: str = knob(
        "CALLFLEET_LOG_FORMAT",
        "auto",
        parse=choice("auto", "json", "plain"),
        help="json, plain, or auto: plain on a terminal.",
    )
    log_level: str = knob(
        "CALLFLEET_LOG_LEVEL",
        "info",
        parse=choice("debug", "info", "warning", "error"),
        help="The least severe level that is logged.",
    )
    otlp_endpoint: str = knob(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        parse=address("http", "https"),
        help="OTLP/HTTP collector for traces; empty: no tracing, at no cost.",
    )
