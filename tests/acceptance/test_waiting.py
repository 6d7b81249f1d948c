"""Callers who find no free slot: held with music, served in order, never left in silence."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from simulators.fleet import Fleet, FleetPlan
from simulators.phone_scripts import HangUp, Listen, Script, Wait
from tests.acceptance.conftest import phone_company, rows_of

pytestmark = pytest.mark.alone

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


async def test_a_caller_out_of_patience_is_promised_a_call_back(held: Fleet) -> None:
    """One talks, one waits until patience ends, a third finds the queue full."""
    async with phone_company(held) as phone, asyncio.TaskGroup() as group:
        talking = Script("holding", (Wait(7000), HangUp()))
        group.create_task(phone.place("+15557000001", BACK, talking))
        await asyncio.sleep(1.5)  # it is talking by then, and has the only slot
        waits = group.create_task(phone.place("+15557000002", BACK, BRIEF))
        await asyncio.sleep(0.5)
        full = await phone.place("+15557000003", BACK, BRIEF)
        waited = await waits
    assert waited.other_sound_ms > 1000, "music, while there was hope"
    assert full.streams == []
    assert waited.spoken_by_twiml == full.spoken_by_twiml == ["We will call you back today."]
    rows = await rows_of(held, waited.call_sid, full.call_sid)
    assert [row["end_reason"] for row in rows] == ["no_slot"] * 2
    assert rows[0]["waited_ms"] >= 1900 and rows[1]["waited_ms"] == 0
    code, output, errors = await held.command("calls", "callbacks", "--format", "json")
    assert code == 0, errors
    listed = {row["call_id"]: row["caller"] for row in json.loads(output)}
    assert listed == {rows[0]["call_id"]: "+15557000002", rows[1]["call_id"]: "+15557000003"}


async def test_a_caller_who_hangs_up_while_waiting_is_recorded_and_gone(held: Fleet) -> None:
    async with phone_company(held) as phone, asyncio.TaskGroup() as group:
        talking = Script("holding", (Wait(6000), HangUp()))
        group.create_task(phone.place("+15557000004", BACK, talking))
        await asyncio.sleep(1.5)
        impatient = Script("impatient", (Wait(800), HangUp()))
        left = await phone.place("+15557000005", BACK, impatient)
        again = await phone.place("+15557000006", BACK, impatient)  # the place is free again
    (row,) = await rows_of(held, left.call_sid)
    assert row["end_reason"] == "caller_hung_up"
    assert 300 < row["waited_ms"] < 5000
    assert again.streams[0].other_sound_ms > 0


async def test_redis_away_each_worker_admits_its_share(tmp_path: Path) -> None:
    config = tmp_path / "callfleet.yaml"
    queue = "queue: {max_waiting: 1, max_wait_s: 2}"
    text = (Path(__file__).parent / "waiting.yaml").read_text()
    config.write_text(
        text.replace(queue, f"{queue}\n    redis_away: share").replace(
            "sessions: 1\n", "sessions: 5\n"
        )
    )
    async with Fleet(FleetPlan(config=config)) as fleet:
        await asyncio.sleep(3)  # until gateway and workers have seen who is there
        fleet.redis.close()
        async with phone_company(fleet) as phone:
            shared = await phone.place("+15557000007", BACK, BRIEF)
            waits = await phone.place(
                "+15557000008", FRONT, Script("brief", (Wait(3000), HangUp()))
            )
    assert shared.heard and shared.heard[0].who == "agent"
    assert waits.heard == [], "its org would rather wait for Redis"
    assert waits.other_sound_ms > 1500
