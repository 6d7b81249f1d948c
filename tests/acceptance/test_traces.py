"""One call is one trace, from the webhook to its score, and carries nothing that was said."""

import asyncio
import json

from simulators.fleet import Fleet, FleetPlan
from simulators.phone_scripts import talk
from tests.acceptance.conftest import BRISK, CONFIG, NUMBERS, phone_company, rows_of
from tests.otlp_collector import collecting

LINES = ["I would like to book a cleaning on Tuesday at 3 pm.", "Thank you, goodbye."]


async def test_a_call_is_one_trace_across_the_three_services() -> None:
    async with collecting() as collector:
        plan = FleetPlan(
            config=CONFIG,
            workers=1,
            environment={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url},
        )
        async with Fleet(plan) as fleet:
            async with phone_company(fleet) as phone:
                report = await phone.place(
                    "+15557000001", NUMBERS["clinic"], talk(LINES).but(**BRISK)
                )
            (row,) = await rows_of(fleet, report.call_sid)
            assert row["status"] == "scored"
            logs = [
                line for name in ("gateway-1", "worker-1") for line in fleet.processes[name].lines()
            ]
        await asyncio.sleep(0)  # the fleet has flushed its spans when it stopped
        assert {"gateway", "worker", "analytics"} <= {
            name.rsplit("-", 1)[-1] for name in collector.resources
        }
        (trace,) = {span.trace_id for span in collector.spans if span.name == "call"}
        names = {span.name for span in collector.spans if span.trace_id == trace}
        assert {"webhook", "leg", "call", "record", "score"} <= names
        told = json.dumps([str(span) for span in collector.spans])
        assert not any(word in told for word in ("cleaning", "Tuesday", "+15557000001"))
        ended = [line for line in logs if line.get("msg") == "call ended"]
        assert [line["trace_id"] for line in ended] == [trace.hex()], "logs name the same trace"
