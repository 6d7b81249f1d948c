"""Callers who find no free slot: held with music, served in order, never left in silence."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from simulators.fleet import Fleet, FleetPlan
from simulators.phone_scripts import HangUp, Listen, Script
from tests.acceptance.conftest import phone_company

FRONT, BACK = "+15551230001", "+15551230002"
SORRY = "All lines are busy. Please call again later."
BRIEF = Script("brief", (Listen(), HangUp()), gap_ms=240)
LIMIT, WAITING, CALLERS = 20, 50, 100


@pytest.fixture(scope="module")
def held() -> Iterator[Fleet]:
    """A fleet whose callers have to wait."""
    fleet = Fleet(FleetPlan(config=Path(__file__).parent / "waiting.yaml"))
    asyncio.run(fleet.start())
    yield fleet
    asyncio.run(fleet.stop())
    assert fleet.violations == [], "a simulator was told what the real API refuses"


def sessions(fleet: Fleet) -> dict[str, int]:
    with urlopen(f"{fleet.control_url('realtime')}/state", timeout=5) as answer:
        counts: dict[str, int] = json.load(answer)["sessions"]
        return counts


def gateway_lines(fleet: Fleet, message: str) -> list[dict[str, Any]]:
    lines = fleet.processes["gateway-1"].lines()
    return [line for line in lines if line.get("msg") == message]


async def test_a_hundred_callers_at_once_and_twenty_sessions(held: Fleet) -> None:
    """Twenty are served, fifty wait and are served in order, thirty are told at once."""
    async with phone_company(held) as phone:
        reports = await asyncio.gather(
            *(phone.place(f"+1555700{n:04d}", FRONT, BRIEF) for n in range(CALLERS))
        )
    assert [report.violations for report in reports] == [[]] * CALLERS
    turned_away = [report for report in reports if report.spoken_by_twiml == [SORRY]]
    served = [report for report in reports if report.heard[0].who == "agent"]
    waited = [report for report in served if report.other_sound_ms > 0]
    assert (len(turned_away), len(served)) == (CALLERS - LIMIT - WAITING, LIMIT + WAITING)
    assert all(report.streams == [] for report in turned_away), "at once, without a wait"
    counts = sessions(held)
    assert counts["max"] <= LIMIT, "never more sessions than the org may have"
    assert counts["total"] == LIMIT + WAITING
    queued = [line["ticket"] for line in gateway_lines(held, "call waits")]
    granted = {line["grant"]: line["ticket"] for line in gateway_lines(held, "slot granted")}
    assert len(queued) == WAITING
    # Grants are numbered as they are made, whatever order a gateway hears of them in.
    assert [granted[number] for number in sorted(granted)] == sorted(queued)
    # Whoever got a slot before a stream was up heard the agent at once.
    assert len(waited) >= WAITING - LIMIT
