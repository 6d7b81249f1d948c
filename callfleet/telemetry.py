"""Logs and traces, set up once per process; this is the module to import.

Metrics need no set-up: they are plain `prometheus_client` objects at the top of each service's
`metrics.py`, and `callfleet/service.py` serves them.
"""

from collections.abc import Iterable

from callfleet.telemetry_logs import Logger, bind_call, bound_call, set_up_logs
from callfleet.telemetry_redaction import Redactor, told
from callfleet.telemetry_traces import Span, set_up_traces, span, stop_traces, traceparent

__all__ = [
    "Logger",
    "Span",
    "bind_call",
    "bound_call",
    "logger",
    "setup",
    "span",
    "stop",
    "told",
    "traceparent",
]


def logger(name: str) -> Logger:
    """`log = telemetry.logger(__name__)` at the top of a module."""
    return Logger(name)


def setup(
    service: str,
    *,
    log_format: str = "auto",
    level: str = "info",
    otlp_endpoint: str = "",
    version: str = "",
    secrets: Iterable[str] = (),
) -> None:
    """For `main()`: where lines and spans go, and what must never be in them."""
    set_up_logs(service, log_format=log_format, level=level, redactor=Redactor(secrets))
    set_up_traces(service, endpoint=otlp_endpoint, version=version)


async def stop() -> None:
    """The last spans, within a limit."""
    if not await stop_traces():
        logger(__name__).warning("traces lost", why="collector too slow at stop")
