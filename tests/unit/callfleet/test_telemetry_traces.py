"""Tracing that is off: one object, no import, no memory."""

import subprocess
import sys
import tracemalloc

from callfleet import telemetry
from callfleet.telemetry_traces import current_trace_id


def test_everybody_gets_the_same_nothing() -> None:
    first = telemetry.span("leg", parent="00-" + "a" * 32 + "-" + "b" * 16 + "-01", agent="x")
    assert first is telemetry.span("link")
    with first as entered:
        entered.set(reason="x")
        entered.event("y", z=1)
        entered.fail("w")
    assert entered is first
    assert (entered.traceparent, telemetry.traceparent(), current_trace_id()) == ("", "", "")


def test_an_exception_passes_through() -> None:
    try:
        with telemetry.span("leg"):
            raise KeyError("x")
    except KeyError:
        return
    raise AssertionError("swallowed")


async def test_stopping_what_never_started_is_nothing() -> None:
    await telemetry.stop()


def test_nothing_of_opentelemetry_is_imported() -> None:
    script = (
        "import sys; from callfleet import telemetry\n"
        "telemetry.setup('worker', otlp_endpoint='')\n"
        "with telemetry.span('leg', a=1): telemetry.logger('x').info('y')\n"
        "print([m for m in sys.modules if m.startswith('opentelemetry')])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert found.stdout.splitlines()[-1] == "[]", found.stderr


def test_a_span_that_is_off_keeps_nothing() -> None:
    def many() -> None:
        for _ in range(1000):
            with telemetry.span("leg", agent="x") as span:
                span.set(reason="y")

    many()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    many()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 1000
