"""What Redis does to a running fleet: nothing that a caller on the line could notice."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from simulators.fleet import Fleet, FleetPlan
from simulators.phone_report import CallReport
from simulators.phone_scripts import Script, Wait, talk
from tests.acceptance.conftest import BRISK, CONFIG, NUMBERS, phone_company, rows_of
from tests.sentinels import watched_redis

pytestmark = pytest.mark.alone

LINES = (
    "What are your opening hours?",
    "How much does a cleaning cost?",
    "I would like to book a cleaning on Tuesday at 3 pm.",
    "Is there anything I should bring along?",
    "Thank you, goodbye.",
)
TALKATIVE = talk(LINES, name="talkative").but(**BRISK)
BRIEF = Script("brief", (Wait(1_500),)).but(**BRISK)
CALLS = 4
INTO_S = 2.5  # the calls, when the fault strikes


async def usage_of(fleet: Fleet, org: str = "main") -> dict[str, Any]:
    code, output, errors = await fleet.command("slots", "show", org, "--json")
    assert code == 0, errors
    usage: dict[str, Any] = json.loads(output)[org]
    return usage


async def until(fleet: Fleet, wished: Callable[[dict[str, Any]], bool]) -> None:
    async with asyncio.timeout(30):
        while not wished(await usage_of(fleet)):  # noqa: ASYNC110 # in Redis
            await asyncio.sleep(0.2)


async def talked_through(fleet: Fleet, fault: Callable[[], Awaitable[None]]) -> None:
    """Callers talk while it strikes: they lose no word, and all is in order afterwards."""
    async with phone_company(fleet) as phone:
        async with asyncio.TaskGroup() as group:
            placed = [
                group.create_task(phone.place(f"+1555700{n:04d}", NUMBERS["clinic"], TALKATIVE))
                for n in range(CALLS)
            ]
            await asyncio.sleep(INTO_S)
            await fault()
        reports = [task.result() for task in placed]
        for report in reports:
            assert report.violations == []
            assert [turn.complete for turn in report.heard] == [True] * len(report.heard)
            assert len(report.heard) > len(LINES), report.transcript
            assert report.ended_by == "twiml_hangup"
        rows = await rows_of(fleet, *(report.call_sid for report in reports))
        assert {row["end_reason"] for row in rows} <= {"agent_hung_up", "caller_hung_up"}
        await until(fleet, lambda usage: usage["live"] == 0 and usage["hold_off_s"] == 0)
        after = await phone.place("+15557009999", NUMBERS["clinic"], BRIEF)
        assert after.heard, "the fleet answers again"


async def test_redis_frozen_for_six_seconds() -> None:
    async with Fleet(FleetPlan(config=CONFIG)) as fleet:

        async def fault() -> None:
            fleet.redis.freeze()
            await asyncio.sleep(6)
            fleet.redis.thaw()

        await talked_through(fleet, fault)


async def test_redis_killed_and_restarted() -> None:
    async with Fleet(FleetPlan(config=CONFIG)) as fleet:

        async def fault() -> None:
            fleet.redis.kill()
            await asyncio.sleep(3)
            fleet.redis.start()

        await talked_through(fleet, fault)


async def test_a_failover_that_loses_writes() -> None:
    with watched_redis() as redises:
        plan = FleetPlan(config=CONFIG, environment={"REDIS_URL": redises.url})
        async with Fleet(plan) as fleet:

            async def fault() -> None:
                redises.freeze_replication()
                await asyncio.sleep(1)
                redises.fail_over()

            await talked_through(fleet, fault)


async def test_a_limit_set_on_the_running_fleet_holds_at_once() -> None:
    async with Fleet(FleetPlan(config=CONFIG)) as fleet, phone_company(fleet) as phone:

        async def call(number: int) -> CallReport:
            return await phone.place(f"+1555701{number:04d}", NUMBERS["clinic"], BRIEF)

        assert (await call(1)).heard
        assert (await fleet.command("slots", "set", "main", "0"))[0] == 0
        turned_away = await call(2)
        assert turned_away.spoken_by_twiml == ["All lines are busy. Please call again later."]
        code, output, _ = await fleet.command("slots", "set", "main", "80")
        assert code == 0 and "80 (file: 100)" in output
        assert (await call(3)).heard


async def test_a_dead_key_sends_callers_to_the_overflow_until_it_is_mended() -> None:
    async with Fleet(FleetPlan(config=CONFIG)) as fleet, phone_company(fleet) as phone:
        await _refuse(fleet)
        first = await phone.place("+15557020001", NUMBERS["clinic"], BRIEF)
        assert first.streams[0].media_received, "an apology"
        await until(fleet, lambda usage: usage["circuit"] == "open")
        second = await phone.place("+15557020002", NUMBERS["clinic"], BRIEF)
        assert second.spoken_by_twiml == ["All lines are busy. Please call again later."]
        assert (await fleet.command("slots", "close", "main"))[0] == 0
        third = await phone.place("+15557020003", NUMBERS["clinic"], BRIEF)
        assert third.heard


async def _refuse(fleet: Fleet) -> None:
    order = {"point": "refuse", "times": 1, "row": "insufficient_quota"}
    url = f"{fleet.control_url('realtime')}/faults"
    async with aiohttp.ClientSession() as client, client.post(url, json=order) as answer:
        assert answer.status == 200


for _test in (
    test_redis_frozen_for_six_seconds,
    test_redis_killed_and_restarted,
    test_a_failover_that_loses_writes,
):
    _test.limit_s = 120  # type: ignore[attr-defined] # see tests/conftest.py
