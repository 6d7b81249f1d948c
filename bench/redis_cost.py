"""What a minute of talk asks of Redis: a small fleet, real conversations, every request counted.

A request is one script, one transaction or one command. What scripts and transactions do inside
Redis is part of their request, so `INFO commandstats`, which counts it apart, would not do: they
are read off `MONITOR`, which says what came from a script, and whose each command was. First the
fleet is counted without a call (announcements, heartbeats, sweeps: per process, whatever the number
of calls), then with callers who talk turn by turn, from the first webhook until the last call is
recorded. The figure is all requests of that window, the background's included, divided by the
minutes that callers were on the line. More calls a process make it smaller.
"""

import asyncio
import contextlib
import hashlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field

from redis.asyncio import Redis
from rich.table import Table

from callfleet.redis_scripts import lua
from simulators.fleet import ACCOUNT_SID, Fleet, FleetPlan
from simulators.phone import PhoneCompany
from simulators.phone_scripts import talk

AIM = 40.0
CALLS, LINES = 30, 12
IDLE_S = 15.0
RECORDED_LIMIT_S = 30.0
NUMBER = "+15551230001"
_LINE = "I would like to know whether there is an appointment free on Thursday afternoon."
_SETS = {
    "slots": ("slots_state", "slots_rules"),
    "roster": ("roster_keys",),
    "journal": ("journal_keys",),
}
_NAMES = {
    "slots": "acquire adopt heartbeat release leave configure usage audit report",
    "roster": "announce withdraw place route settle drop workers",
    "journal": "open append read forget",
}


@dataclass
class RedisCost:
    """Of one run."""

    calls: int
    call_minutes: float
    window_minutes: float
    idle_per_minute: float
    requests: dict[str, int] = field(default_factory=dict)

    @property
    def per_call_minute(self) -> float:
        return sum(self.requests.values()) / self.call_minutes

    @property
    def without_background(self) -> float:
        """What one more minute of talk adds."""
        own = sum(self.requests.values()) - self.idle_per_minute * self.window_minutes
        return own / self.call_minutes

    def as_json(self) -> dict[str, object]:
        return asdict(self) | {"per_call_minute": self.per_call_minute}


def _scripts() -> dict[str, str]:
    """By the digest under which Redis knows them."""
    texts = {
        f"{family} {name}": lua(*_SETS[family], f"{family}_{name}")
        for family, names in _NAMES.items()
        for name in names.split()
    }
    texts["journal end"] = lua(
        "journal_keys", "roster_keys", "slots_state", "slots_rules", "journal_end"
    )
    return {hashlib.sha1(text.encode()).hexdigest(): name for name, text in texts.items()}


@contextlib.asynccontextmanager
async def counted(url: str) -> AsyncIterator[Counter[str]]:
    """Every request to this Redis while the block runs."""
    requests: Counter[str] = Counter()
    names = _scripts()

    async def listen(redis: Redis) -> None:
        inside: set[tuple[str, str]] = set()  # clients in the middle of a transaction
        async with redis.monitor() as monitor:
            async for seen in monitor.listen():
                client = (seen["client_address"], seen["client_port"])
                word, *rest = seen["command"].split(" ", 2)
                if word == "EXEC":
                    inside.discard(client)
                elif word == "MULTI":
                    inside.add(client)
                    requests["a transaction"] += 1
                elif seen["client_type"] != "lua" and client not in inside:
                    script = names.get(rest[0], "another script") if rest else ""
                    requests[script if word == "EVALSHA" else word] += 1

    async with Redis.from_url(url) as redis:
        listening = asyncio.create_task(listen(redis))
        await asyncio.sleep(0.2)
        requests.clear()
        try:
            yield requests
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def measure(calls: int = CALLS, idle_s: float = IDLE_S) -> RedisCost:
    """One gateway, two workers and one analytics process, as in the demo."""
    async with Fleet(FleetPlan(environment={"CALLFLEET_WORKER_SLOTS": "200"})) as fleet:
        async with counted(fleet.redis.url) as idle:
            await asyncio.sleep(idle_s)
        async with counted(fleet.redis.url) as busy:
            began = time.monotonic()
            minutes = await _talk(fleet, calls)
            await _recorded(fleet, calls)
            window = (time.monotonic() - began) / 60
        return RedisCost(
            calls, minutes, window, sum(idle.values()) * 60 / idle_s, dict(busy.most_common())
        )


async def _talk(fleet: Fleet, calls: int) -> float:
    """All callers at once; the minutes they were on the line."""
    company = PhoneCompany(
        account_sid=ACCOUNT_SID,
        auth_token=fleet.auth_token,
        voice_url=fleet.voice_url,
        public_url_rewrites=fleet.public_rewrites,
        seed=1,
    )
    script = talk([_LINE] * LINES)
    async with company:
        reports = await asyncio.gather(
            *(company.place(f"+1555010{number:04d}", NUMBER, script) for number in range(calls))
        )
    errors = [report.errors for report in reports if report.errors]
    assert not errors, errors
    return sum(report.duration_s for report in reports) / 60


async def _recorded(fleet: Fleet, calls: int) -> None:
    async with asyncio.timeout(RECORDED_LIMIT_S):
        while True:
            code, output, errors = await fleet.command("calls", "--format", "json", "list")
            assert code == 0, errors
            if len(json.loads(output)) >= calls:
                return
            await asyncio.sleep(1)


def table(cost: RedisCost) -> Table:
    page = Table(title=f"Redis: {cost.calls} calls, {cost.call_minutes:.1f} call-minutes")
    page.add_column("request")
    for heading in ("number", "per call-minute"):
        page.add_column(heading, justify="right")
    for name, number in cost.requests.items():
        page.add_row(name, str(number), f"{number / cost.call_minutes:.2f}")
    return page


def verdict(cost: RedisCost) -> str:
    met = "met" if cost.per_call_minute <= AIM else "missed"
    return (
        f"{cost.per_call_minute:.1f} requests per call-minute (aim: {AIM:.0f}), {met}; "
        f"{cost.without_background:.1f} without the {cost.idle_per_minute:.0f} a minute that the "
        "fleet sends anyway"
    )
