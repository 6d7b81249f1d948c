"""A whole fleet as processes for the acceptance tests, or one that is somewhere else.

With FLEET_URL (and FLEET_TWILIO_AUTH_TOKEN) the calls go to a live fleet; tests that must look
behind it or break it are skipped then, with that reason.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from simulators.fleet import ACCOUNT_SID, Fleet, FleetPlan
from simulators.phone import PhoneCompany

CONFIG = Path(__file__).parent / "callfleet.yaml"
NUMBERS = {
    "clinic": "+15551230001",
    "busy": "+15551230004",
    "dialled": "+15551230005",
    "told": "+15551230006",
    "shy": "+15551230009",
    "insistent": "+15551230010",
    "thrifty": "+15551230007",
    "pushing": "+15551230008",
}
BRISK = {"chars_per_s": 45.0, "gap_ms": 240}
"""How callers talk who have no time to lose."""


class LiveFleet:
    """A fleet that somebody else runs: it can be called, and nothing else."""

    def __init__(self, url: str, auth_token: str) -> None:
        self.voice_url = f"{url.rstrip('/')}/twilio/voice"
        self.auth_token = auth_token
        self.public_rewrites: dict[str, str] = {}


@pytest.fixture(scope="session")
def _fleet() -> Iterator[Fleet | LiveFleet]:
    live = os.environ.get("FLEET_URL")
    if live:
        yield LiveFleet(live, os.environ["FLEET_TWILIO_AUTH_TOKEN"])
        return
    fleet = Fleet(FleetPlan(config=CONFIG))
    asyncio.run(fleet.start())
    yield fleet
    asyncio.run(fleet.stop())
    assert fleet.violations == [], "a simulator was told what the real API refuses"


@pytest.fixture
def anywhere(_fleet: Fleet | LiveFleet) -> Fleet | LiveFleet:
    """A fleet to call, wherever it is."""
    return _fleet


@pytest.fixture
def fleet(_fleet: Fleet | LiveFleet) -> Fleet:
    """A fleet of our own, to look behind."""
    if isinstance(_fleet, LiveFleet):
        pytest.skip("FLEET_URL names a fleet that cannot be looked behind")
    return _fleet


@asynccontextmanager
async def phone_company(fleet: Fleet | LiveFleet, **options: Any) -> AsyncIterator[PhoneCompany]:
    """A phone company whose numbers are answered by this fleet."""
    async with PhoneCompany(
        account_sid=ACCOUNT_SID,
        auth_token=fleet.auth_token,
        voice_url=fleet.voice_url,
        public_url_rewrites=fleet.public_rewrites,
        **options,
    ) as phone:
        yield phone


async def rows_of(fleet: Fleet, *call_sids: str) -> list[dict[str, Any]]:
    """These calls' rows, once analytics is done with them, in the order asked for."""
    wanted = set(call_sids)
    while True:
        code, output, errors = await fleet.command(
            "calls", "list", "--format", "json", "--limit", "1000"
        )
        assert code == 0, errors
        rows = {row["carrier_call_id"]: row for row in json.loads(output)}
        done = [sid for sid in wanted if sid in rows and rows[sid]["status"] in _DONE]
        if len(done) == len(wanted):
            return [rows[sid] for sid in call_sids]
        await asyncio.sleep(0.3)


_DONE = ("scored", "not_scorable", "dead")
