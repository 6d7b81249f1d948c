"""The whole fleet's semaphore on `/metrics`: what Redis knows and no process counts by itself.

Every worker tells the same of an org, so that any living one is enough: queries take the `max` over
processes. The numbers are read every five seconds, and only while somebody asks for them.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from callfleet.errors import StoreFault
from callfleet.slots import Slots
from callfleet.slots_terms import Circuit, Refusal, Usage

READ_EVERY_S: Final = 5.0
ASKED_WITHIN_S: Final = 120.0  # longer than any sensible interval between scrapes
OTHER: Final = "other"  # an agent that this process' file does not name

_TOTALS: Final = {
    "granted": "Slots given.",
    "refused": "Calls that got neither a slot nor a place in the queue.",
    "expired": "Slots whose holder stopped renewing them.",
    "abandoned": "Places in a queue whose keeper stopped keeping them.",
    "reasserted": "Slots Redis had forgotten or let lapse, registered again by their holder.",
    "hold_offs": "Times Redis came back changed and grants were held off.",
    "clock_jumps": "Times Redis' clock jumped, or nobody spoke for longer than the leash.",
    "drift": "Derived counts an audit found wrong, and repaired.",
    "circuit_opened": "Times the API refused the org's key.",
}


class _Semaphore(Collector):
    """What was read last, in Prometheus' words."""

    def __init__(self) -> None:
        self.asked_at = float("-inf")
        self.usages: dict[str, tuple[Usage, frozenset[str]]] = {}

    def describe(self) -> Iterable[Metric]:
        return self._families()

    def collect(self) -> Iterable[Metric]:
        self.asked_at = time.monotonic()
        return self._families()

    def _families(self) -> Iterable[Metric]:
        usages = [usage for usage, _ in self.usages.values()]
        yield from self._by_agent()
        yield from _by_org(usages)
        for name, help_ in _TOTALS.items():
            total = CounterMetricFamily(f"callfleet_slots_{name}", help_, labels=["org"])
            for usage in usages:
                total.add_metric([usage.org], usage.totals.get(name, 0))
            yield total
        refusals = CounterMetricFamily(
            "callfleet_slots_api_refusals", "Refusals of the API.", labels=["org", "kind"]
        )
        for usage in usages:
            for kind in Refusal:
                refusals.add_metric([usage.org, kind], usage.totals.get(f"api_{kind}", 0))
        yield refusals

    def _by_agent(self) -> Iterable[Metric]:
        labels = ["org", "agent"]
        live = GaugeMetricFamily("callfleet_slots_live", "Slots held.", labels=labels)
        waiting = GaugeMetricFamily("callfleet_slots_waiting", "Callers waiting.", labels=labels)
        limit = GaugeMetricFamily("callfleet_slots_agent_limit", "An agent's cap.", labels=labels)
        for usage, agents in self.usages.values():
            for name in agents:
                if (cap := usage.agents[name].limit if name in usage.agents else None) is not None:
                    limit.add_metric([usage.org, name], cap)
            for name, (held, queued) in _of_agents(usage, agents).items():
                live.add_metric([usage.org, name], held)
                waiting.add_metric([usage.org, name], queued)
        return live, waiting, limit


def _of_agents(usage: Usage, agents: frozenset[str]) -> Mapping[str, tuple[int, int]]:
    found = dict.fromkeys(sorted(agents), (0, 0))
    for name, of in usage.agents.items():
        label = name if name in agents else OTHER
        live, waiting = found.get(label, (0, 0))
        found[label] = (live + of.live, waiting + of.waiting)
    return found


def _by_org(usages: Iterable[Usage]) -> Iterable[Metric]:
    values: dict[str, tuple[str, Callable[[Usage], float | None]]] = {
        "limit": ("The limit in force.", lambda of: of.limit),
        "limit_effective": ("What the API's refusals leave of it.", lambda of: of.effective_limit),
        "over_limit": ("Slots above the limit, until calls end.", lambda of: of.over),
        "oldest_wait_seconds": ("How long the first has waited.", lambda of: of.oldest_wait_s),
        "hold_off_seconds": ("Grants are held off for so long.", lambda of: of.hold_off_s),
        "circuit_open": (
            "1 from the day the API refused the org's key until it is taken again.",
            lambda of: float(of.circuit is not Circuit.CLOSED),
        ),
        "tokens_per_minute": ("Tokens spent and pledged.", lambda of: of.token_rate),
        "tokens_per_minute_limit": ("The org's token budget.", lambda of: of.tokens_per_minute),
    }
    usages = list(usages)
    for name, (help_, value_of) in values.items():
        family = GaugeMetricFamily(f"callfleet_slots_{name}", help_, labels=["org"])
        for usage in usages:
            if (value := value_of(usage)) is not None:
                family.add_metric([usage.org], value)
        yield family


_SEMAPHORE: Final = _Semaphore()
REGISTRY.register(_SEMAPHORE)


def described() -> list[Metric]:
    """What there is to read, for the documents."""
    return list(_SEMAPHORE.describe())


async def watch(slots: Slots, agents_of: Mapping[str, frozenset[str]]) -> None:
    """Run for the life of a process; `agents_of`: org -> its agents, the labels there may be."""
    try:
        while True:
            if time.monotonic() - _SEMAPHORE.asked_at < ASKED_WITHIN_S:
                for org, agents in agents_of.items():
                    try:
                        _SEMAPHORE.usages[org] = (await slots.usage(org), agents)
                    except StoreFault:
                        _SEMAPHORE.usages.pop(org, None)  # no number is better than an old one
            await asyncio.sleep(READ_EVERY_S)
    finally:
        _SEMAPHORE.usages.clear()
