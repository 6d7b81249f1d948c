"""What the holders' lines say of the semaphore: was it ever overfull, was anybody overtaken.

A session is real from the moment its holder learned of the grant until it began to give it back,
or was killed. More of them at one instant than the limit is an over-admission, whatever Redis says.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from callfleet.slots import OrgLimits


@dataclass(slots=True)
class Story:
    """Of one run."""

    grants: int = 0
    waited: int = 0
    left: int = 0
    peak: int = 0
    over: int = 0  # instants at which a grant exceeded the org's limit or an agent's
    overtaken: int = 0
    stuck: int = 0
    lost: int = 0
    reasserted: int = 0
    troubles: int = 0
    killed_holders: int = 0
    pubsub_kills: int = 0
    leaked: list[str] = field(default_factory=list)  # dead holders that kept a slot too long
    slowest_return_s: float = 0.0
    unserved: list[str] = field(default_factory=list)  # still waiting when all was over

    @property
    def good(self) -> bool:
        # A machine too slow to renew lets leases lapse; their return may exceed the limit.
        wrong = self.overtaken or self.stuck or self.lost or self.leaked or self.unserved
        return not wrong and self.over <= self.reasserted and self.grants > 0


def _words(files: Iterable[Path]) -> list[tuple[int, str, list[str]]]:
    lines = [line.split() for path in files for line in path.read_text().splitlines()]
    return sorted((int(at), holder, rest) for at, holder, *rest in lines)


def told_by(files: Iterable[Path], killed_ns: Mapping[str, int], limits: OrgLimits) -> Story:
    """`killed_ns`: process name -> when it was SIGKILLed (its holders are `<process>.<n>`)."""
    story = Story()
    changes: list[tuple[int, int, str]] = []  # at, +1 or -1, agent
    granted: dict[str, tuple[str, str]] = {}  # call -> agent, holder: not ended yet
    queues: dict[str, list[tuple[int, int]]] = defaultdict(list)  # agent -> (token, ticket)
    waiting: dict[str, str] = {}
    for at, holder, (verb, *rest) in _words(files):
        match verb:
            case "waits":
                waiting[rest[0]] = holder
            case "left":
                story.left += 1
                waiting.pop(rest[0], None)
            case "granted":
                call, agent, ticket, token = rest[0], rest[1], int(rest[2]), int(rest[3])
                granted[call] = (agent, holder)
                changes.append((at, 1, agent))
                if waiting.pop(call, None):
                    queues[agent].append((token, ticket))
            case "ended" | "lost":
                changes.append((at, -1, granted.pop(rest[0])[0]))
                story.lost += verb == "lost"
            case _:
                _note(story, verb, rest)
    for agent, holder in granted.values():
        changes.append((killed_ns[holder.split(".")[0]], -1, agent))
    story.unserved = [c for c, holder in waiting.items() if holder.split(".")[0] not in killed_ns]
    story.waited = sum(map(len, queues.values()))
    story.overtaken = sum(_overtakings(queue) for queue in queues.values())
    _count(story, sorted(changes), limits)
    return story


def _note(story: Story, verb: str, rest: list[str]) -> None:
    story.reasserted += int(rest[0]) if verb == "reasserted" else 0
    story.stuck += verb == "stuck"
    story.troubles += verb == "trouble"


def _overtakings(queue: list[tuple[int, int]]) -> int:
    """Tokens are given in the order of grants, tickets in the order of arrival."""
    tickets = [ticket for _, ticket in sorted(queue)]
    return sum(later < earlier for earlier, later in pairwise(tickets))


def _count(story: Story, changes: list[tuple[int, int, str]], limits: OrgLimits) -> None:
    total, live = 0, dict.fromkeys((agent for _, _, agent in changes), 0)
    for _, change, agent in changes:
        total += change
        live[agent] += change
        if change > 0:
            story.grants += 1
            story.peak = max(story.peak, total)
            cap = limits.agents.get(agent, limits.sessions)
            story.over += total > limits.sessions or live[agent] > cap
