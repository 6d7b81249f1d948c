"""Traces: one per call, carried from process to process as W3C `traceparent`.

Off unless a collector is named, and then nothing of OpenTelemetry is even imported: `span` hands
out one shared object that does nothing. On, spans are made per hop (leg, link, session, turn, job),
never per frame, and leave in batches from a thread with a bounded queue: a dead collector loses
spans and nothing else.
"""

import asyncio
import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING, Any, Final, Self

from callfleet.errors import Ending
from callfleet.telemetry_redaction import allowed

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import Tracer

EXPORT_LIMIT_S: Final = 5.0
_QUEUE_SPANS_MAX = 4096
_BATCH_SPANS_MAX = 512


class Span:
    """Nothing: what everybody gets while tracing is off. Shared, so it must hold no state."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        return None

    def set(self, **attributes: Any) -> None:
        """Facts learned while the span runs."""

    def event(self, name: str, **attributes: Any) -> None:
        """Something that happened at one moment of it."""

    def fail(self, reason: str) -> None:
        """It did not work, though nothing was raised; a reason from a closed set."""

    @property
    def traceparent(self) -> str:
        return ""


_OFF: Final = Span()


class _LiveSpan(Span):
    __slots__ = ("_attributes", "_name", "_parent", "_span", "_token")
    _span: "OtelSpan"

    def __init__(self, name: str, parent: str, attributes: dict[str, Any]) -> None:
        self._name, self._parent, self._attributes = name, parent, attributes

    def __enter__(self) -> Self:
        from opentelemetry import context, trace

        assert _tracer is not None
        within = _context_of(self._parent) if self._parent else None
        attributes = _attributes(self._attributes)
        self._span = _tracer.start_span(self._name, context=within, attributes=attributes)
        self._token = context.attach(trace.set_span_in_context(self._span, within))
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        from opentelemetry import context

        context.detach(self._token)
        # An expected ending and a cancelled task are no failures; the type alone is told, because a
        # message may quote what somebody said.
        if error is not None and not isinstance(error, Ending | asyncio.CancelledError):
            self.fail(type(error).__name__)
        self._span.end()

    def set(self, **attributes: Any) -> None:
        self._span.set_attributes(_attributes(attributes))

    def event(self, name: str, **attributes: Any) -> None:
        self._span.add_event(name, _attributes(attributes))

    def fail(self, reason: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        self._span.set_status(Status(StatusCode.ERROR, reason))
        self._span.set_attribute("error.type", reason)

    @property
    def traceparent(self) -> str:
        return _traceparent_of(self._span)


_tracer: "Tracer | None" = None
_provider: "TracerProvider | None" = None


def span(name: str, *, parent: str = "", **attributes: Any) -> Span:
    """`with span("leg", parent=start.traceparent, agent=...) as leg:`; nothing at all when off."""
    if _tracer is None:
        return _OFF
    return _LiveSpan(name, parent, attributes)


def traceparent() -> str:
    """The current span as W3C text, to be handed to the next process; "" when there is none."""
    if _tracer is None:
        return ""
    from opentelemetry import trace

    return _traceparent_of(trace.get_current_span())


def current_trace_id() -> str:
    """For log lines."""
    return traceparent()[3:35] if _tracer is not None else ""


def _attributes(given: dict[str, Any]) -> dict[str, Any]:
    return {
        key.replace("__", "."): value if isinstance(value, str | bool | int | float) else str(value)
        for key, value in allowed(given).items()
        if value is not None
    }


def _traceparent_of(current: "OtelSpan") -> str:
    context = current.get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def _context_of(parent: str) -> "Context | None":
    """Something that is no traceparent starts a new trace instead of failing a call."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": parent})


def set_up_traces(service: str, *, endpoint: str, version: str) -> None:
    """Start exporting to the collector; without an endpoint, stay off."""
    global _tracer, _provider
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    about = {
        "service.name": f"callfleet-{service}",
        "service.version": version,
        "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
    }
    provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
    url = f"{endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(
        BatchSpanProcessor(
            OTLPSpanExporter(endpoint=url, timeout=EXPORT_LIMIT_S),
            max_queue_size=_QUEUE_SPANS_MAX,
            max_export_batch_size=_BATCH_SPANS_MAX,
        )
    )
    _provider, _tracer = provider, provider.get_tracer("callfleet", version)


async def stop_traces(limit_s: float = EXPORT_LIMIT_S) -> bool:
    """Send what is left and switch off; False when the collector took longer than the limit."""
    global _tracer, _provider
    provider, _provider, _tracer = _provider, None, None
    if provider is None:
        return True
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def shut_down() -> None:
        provider.shutdown()
        with contextlib.suppress(RuntimeError):  # too late: the loop is closed
            loop.call_soon_threadsafe(done.set)

    # A daemon thread of its own: an executor's would be joined at exit, however long it hangs.
    threading.Thread(target=shut_down, name="traces-stop", daemon=True).start()
    try:
        async with asyncio.timeout(limit_s):
            await done.wait()
    except TimeoutError:
        return False
    return True
