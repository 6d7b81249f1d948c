"""`make chaos`: the long runs, and a verdict on each.

`python -m tests.chaos slots --seconds 300 --seed 7` for one of them, longer, or again.
"""

import argparse
import asyncio
import json
import random
import sys
from dataclasses import asdict, replace

from tests.chaos.slots import Plan, run
from tests.chaos.slots_failover import experiment

LONG = Plan(seconds=60, processes=20, holders_each=10, kills=2, sessions=40, seed=0)
SECTIONS = ("slots", "failover")


def slots(seconds: float, seed: int) -> bool:
    plan = replace(LONG, seconds=seconds, seed=seed)
    print(f"slots: {json.dumps(asdict(plan))}", flush=True)
    story = asyncio.run(run(plan))
    print(f"slots: {json.dumps(asdict(story))}")
    facts = (
        f"{plan.processes * plan.holders_each} holders, {story.killed_holders} of them killed",
        f"{story.grants} grants, {story.waited} after waiting",
        f"peak {story.peak} of {plan.sessions}, {story.over} over-admissions",
        f"{len(story.leaked)} leaked, {story.stuck + len(story.unserved)} stuck",
        f"{story.overtaken} overtaken; a dead holder's slot back after {story.slowest_return_s} s",
    )
    print(f"slots: {'good' if story.good else 'BAD'}: {'; '.join(facts)}", flush=True)
    return story.good


def failover(heartbeats_s: list[float]) -> bool:
    good = True
    for heartbeat_s in heartbeats_s:
        hasty, patient = (
            asyncio.run(experiment(hold_off=hold_off, heartbeat_s=heartbeat_s))
            for hold_off in (False, True)
        )
        print(f"failover: {json.dumps([asdict(hasty), asdict(patient)])}")
        good &= patient.over == 0
        print(
            f"failover: {'good' if patient.over == 0 else 'BAD'}: heartbeat {heartbeat_s:g} s,"
            f" limit {hasty.limit}: {hasty.over} too many without the hold-off,"
            f" {patient.over} with it; Redis was away for {patient.away_s} s",
            flush=True,
        )
    return good


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--seconds", type=float, default=LONG.seconds)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--heartbeats", type=float, nargs="*", default=[1.0, 3.0])
    parsed = parser.parse_args()
    unknown = set(parsed.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}")
    chosen = parsed.sections or SECTIONS
    verdicts = []
    if "slots" in chosen:
        verdicts.append(slots(parsed.seconds, parsed.seed))
    if "failover" in chosen:
        verdicts.append(failover(parsed.heartbeats))
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
