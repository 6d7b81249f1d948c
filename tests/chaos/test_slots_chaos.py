"""The chaos run, shortened: same processes, same faults, fewer seconds."""

import random

import pytest

from tests.chaos.slots import Plan, run

pytestmark = pytest.mark.alone


async def test_killed_holders_and_cut_connections_break_nothing() -> None:
    plan = Plan(
        seconds=6,
        processes=5,
        holders_each=40,
        kills=1,
        sessions=40,
        seed=random.randrange(2**32),
    )
    story = await run(plan)
    print(plan, story)
    assert story.good, (plan, story)
    assert story.killed_holders and story.pubsub_kills and story.waited
