"""A real Sentinel failover that loses leases: the hold-off is what keeps the limit."""

import asyncio

import pytest

from tests.chaos.slots_failover import UNREPLICATED, experiment

pytestmark = pytest.mark.alone


async def test_only_the_hold_off_keeps_a_failover_within_the_limit() -> None:
    hasty, patient = await asyncio.gather(
        experiment(hold_off=False, heartbeat_s=1.5), experiment(hold_off=True, heartbeat_s=1.5)
    )
    print(hasty, patient)
    assert patient.reasserted == UNREPLICATED
    assert patient.over == 0
    assert hasty.over > 0
