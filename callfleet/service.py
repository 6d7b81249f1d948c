"""The life of a process: start, become ready, serve, drain, stop. This is the module to import.

Theory of operation. A service moves through

    starting -> ready -> draining -> stopped

The private port is bound first, so that a probe is answered during a slow start. `start` binds and
connects; then dependencies are asked until each answered once: ready. The first SIGTERM or SIGINT
means drain: readiness is withdrawn, `drain` returns when the last call is over, and the deadline
bounds it. A second signal means stop now. `stop` runs on every path once `start` was begun,
whatever happened before it. Exit codes: 0 as asked, 1 failed, 2 misconfigured.

A service may own loops (`run`); when one of them fails the process stops and says so, instead of
living on half dead behind a healthy probe.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar

import uvloop

from callfleet import telemetry
from callfleet.config import Config
from callfleet.errors import ConfigFault
from callfleet.service_http import Site
from callfleet.service_life import RunningService, Service, serve, version
from callfleet.service_redis import ping, redis_pool
from callfleet.settings import ServiceSettings, describe, environment, read, read_config_file

__all__ = [
    "RunningService",
    "Service",
    "Site",
    "main_of",
    "ping",
    "redis_pool",
    "run",
    "serve",
    "version",
]

MISCONFIGURED: Final = 2
S = TypeVar("S", bound=ServiceSettings)
AlsoCheck = Callable[[Config, Mapping[str, str]], object]


def main_of(
    name: str,
    settings_type: type[S],
    build: Callable[[S, Config], Service],
    *,
    also: AlsoCheck | None = None,
) -> int:
    """The whole of a service's `main()`: configuration, telemetry, event loop, exit code.

    `also` is asked for further mistakes (keys that the file names), so that all are told together.
    `build` runs inside the event loop.
    """
    environ = environment()
    try:
        settings, config = _configuration(settings_type, environ, also)
        telemetry.setup(
            name,
            log_format=settings.log_format,
            level=settings.log_level,
            otlp_endpoint=settings.otlp_endpoint,
            version=version(),
            secrets=_secrets(settings, config, environ),
        )
        for warning in config.warnings:
            telemetry.logger(__name__).warning("configuration", told=warning)

        async def living() -> int:
            return await serve(build(settings, config), settings)

        return run(living())
    except ConfigFault as fault:
        return _misconfigured(name, fault)


def run(main: Coroutine[Any, Any, int]) -> int:
    """On uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def _configuration(
    settings_type: type[S], environ: Mapping[str, str], also: AlsoCheck | None
) -> tuple[S, Config]:
    """Environment and file together, so that the mistakes of both are told at once."""
    mistakes: list[str] = []
    settings = config = None
    try:
        settings = read(settings_type, environ)
    except ConfigFault as fault:
        mistakes += fault.mistakes
    try:
        config = read_config_file(environ.get("CALLFLEET_CONFIG", "").strip() or "callfleet.yaml")
        if also is not None:
            also(config, environ)
    except ConfigFault as fault:
        mistakes += fault.mistakes
    if mistakes or settings is None or config is None:
        raise ConfigFault(mistakes)
    return settings, config


def _secrets(settings: ServiceSettings, config: Config, environ: Mapping[str, str]) -> list[str]:
    """Everything that must never be in a log line."""
    named = [knob.env for knob in describe(type(settings)) if knob.secret]
    named += [org.api_key_env for org in config.orgs.values()]
    found = [environ.get(env, "") for env in named]
    return [part.strip() for value in found for part in (value, *value.split(","))]


def _misconfigured(name: str, fault: ConfigFault) -> int:
    count = len(fault.mistakes)
    head = f"callfleet {name}: {count} mistake{'s' if count > 1 else ''} in the configuration"
    sys.stderr.write("\n  ".join([head, *fault.mistakes]) + "\n")
    return MISCONFIGURED
