"""Traces as a collector receives them: one per call, through every process, and no speech."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from callfleet import telemetry
from callfleet.errors import AtCapacity, SessionFault
from callfleet.telemetry_logs import JsonFormatter
from callfleet.telemetry_redaction import Redactor
from callfleet.telemetry_traces import current_trace_id, stop_traces
from tests import otlp_collector
from tests.otlp_collector import Collector


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in handlers:
            handler.close()  # and its thread with it
    logging.captureWarnings(False)
    logging.raiseExceptions = True
    root.handlers[:], root.level = handlers, level


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """A collector, and no exporter of this process's left behind."""
    async with otlp_collector.collecting() as collector:
        try:
            yield collector
        finally:
            await stop_traces(0.1)


def facts(span: Span) -> dict[str, object]:
    return {
        one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes
    }


async def test_one_trace_goes_through_every_process_of_a_call() -> None:
    async with collecting() as collector:
        telemetry.setup("gateway", log_format="json", otlp_endpoint=collector.url + "/")
        with telemetry.span("webhook", agent="a") as webhook:
            carried = webhook.traceparent
            assert carried == telemetry.traceparent()
            assert current_trace_id() == carried[3:35]
        # Another process knows nothing but the text.
        assert telemetry.traceparent() == ""
        with telemetry.span("call", parent=carried, gen_ai__request__model="m") as call:
            call.event("barge in", heard_ms=120)

            async def turn() -> None:
                with telemetry.span("turn"):
                    await asyncio.sleep(0)

            await asyncio.gather(asyncio.create_task(turn()), turn())
        await telemetry.stop()
        turns = [span for span in collector.spans if span.name == "turn"]
        call_span = collector.named("call")
        assert len({span.trace_id for span in collector.spans}) == 1
        assert call_span.parent_span_id == collector.named("webhook").span_id
        assert [span.parent_span_id for span in turns] == [call_span.span_id] * 2
        assert facts(call_span) == {"gen_ai.request.model": "m"}
        assert call_span.events[0].name == "barge in"
        assert collector.resources == {"callfleet-gateway"}
        # Off again.
        assert telemetry.span("x") is telemetry.span("y")


async def test_a_parent_that_is_none_starts_a_new_trace() -> None:
    async with collecting() as collector:
        telemetry.setup("gateway", log_format="json", otlp_endpoint=collector.url)
        with telemetry.span("leg", parent="00-rubbish"):
            pass
        await telemetry.stop()
        assert collector.named("leg").parent_span_id == b""


async def test_speech_and_secrets_stay_out_of_spans() -> None:
    said = "my card number is four one one one"
    async with collecting() as collector:
        telemetry.setup("worker", log_format="json", otlp_endpoint=collector.url)
        try:
            with telemetry.span("turn", transcript=said, turns=2) as turn:
                turn.set(text=said, reason="ok")
                turn.event("heard", said=said)
                raise ValueError(said)
        except ValueError:
            await telemetry.stop()
        span = collector.named("turn")
        assert said.encode() not in span.SerializeToString()
        assert facts(span)["turns"] == 2
        assert (span.status.code, span.status.message) == (Status.STATUS_CODE_ERROR, "ValueError")


async def test_an_expected_ending_is_no_failure_and_a_fault_is() -> None:
    async with collecting() as collector:
        telemetry.setup("worker", log_format="json", otlp_endpoint=collector.url)
        for error in (AtCapacity(), SessionFault(), asyncio.CancelledError()):
            try:
                with telemetry.span(type(error).__name__):
                    raise error
            except (AtCapacity, SessionFault, asyncio.CancelledError):
                continue
        await telemetry.stop()
        failed = {span.name for span in collector.spans if span.status.code}
        assert len(collector.spans) == 3
        assert failed == {"SessionFault"}


async def test_a_log_line_names_the_trace() -> None:
    async with collecting() as collector:
        telemetry.setup("worker", log_format="json", otlp_endpoint=collector.url)
        record = logging.LogRecord("x", logging.INFO, "", 0, "phrase", None, None)
        with telemetry.span("leg") as leg:
            line = json.loads(JsonFormatter("worker", Redactor()).format(record))
        assert line["trace_id"] == leg.traceparent[3:35]


async def test_a_collector_that_hangs_holds_nobody_up() -> None:
    async with collecting() as collector:
        collector.hangs = True
        telemetry.setup("worker", log_format="json", otlp_endpoint=collector.url)
        with telemetry.span("leg"):
            pass
        assert not await stop_traces(limit_s=0.05)
