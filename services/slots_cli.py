"""`callfleet slots`: who has the sessions, who waits, and how many there may be.

Reads and changes the running fleet through Redis alone, so it works from any machine that reaches
it. A limit set here is in force at once in every process, survives their restarts, and ends when
`callfleet.yaml` comes with another number than before. `close` is for who has mended a key and does
not want to wait until one caller has tried it.
"""

import argparse
import asyncio
import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from callfleet.errors import ConfigFault
from callfleet.service_redis import redis_pool
from callfleet.settings import ServiceSettings, environment, read_config_file, read_one
from callfleet.slots import AgentUsage, Circuit, Drift, Slots, Usage

AS_IN_FILE = "file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`show` (also without a word), `set`, `close`, `audit`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    parser.set_defaults(action="show", orgs=[], json=False)
    show = actions.add_parser("show", help="limits, live sessions, waiting callers, holders")
    audit = actions.add_parser("audit", help="recompute what is derived, repair what drifted")
    for action in (show, audit):
        action.add_argument("orgs", nargs="*", metavar="ORG", help="default: all of the file")
        action.add_argument("--json", action="store_true", help="for programs")
    change = actions.add_parser("set", help="change a limit of the running fleet, at once")
    change.add_argument("org", metavar="ORG")
    change.add_argument(
        "sessions", type=_sessions, metavar="SESSIONS", help=f"a number, or {AS_IN_FILE!r}"
    )
    change.add_argument("--agent", metavar="NAME", help="this agent's own limit, not the org's")
    close = actions.add_parser("close", help="the key is mended: close the org's circuit")
    close.add_argument("org", metavar="ORG")


def _sessions(text: str) -> int | None:
    if text == AS_IN_FILE:
        return None
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor {AS_IN_FILE!r}")
    return int(text)


def run(parsed: argparse.Namespace) -> int:
    redis_url = read_one(ServiceSettings, "redis_url", environment())
    if parsed.action == "set":
        usage = asyncio.run(_set(redis_url, parsed.org, parsed.sessions, parsed.agent))
        _show([usage])
        return 0
    if parsed.action == "close":
        _show([asyncio.run(_close(redis_url, parsed.org))])
        return 0
    orgs = parsed.orgs or _orgs_of_file()
    if parsed.action == "audit":
        drifts = asyncio.run(_audits(redis_url, orgs))
        if parsed.json:
            _print_json({org: dataclasses.asdict(drift) for org, drift in drifts.items()})
        else:
            sys.stdout.writelines(f"{org}: {_told(drift)}\n" for org, drift in drifts.items())
        return 0
    usages = asyncio.run(_usages(redis_url, orgs))
    if parsed.json:
        _print_json({usage.org: dataclasses.asdict(usage) for usage in usages})
    else:
        _show(usages)
    return 0


def _orgs_of_file() -> list[str]:
    path = read_one(ServiceSettings, "config_path", environment())
    try:
        return list(read_config_file(path).orgs)
    except ConfigFault as fault:
        raise ConfigFault([*fault.mistakes, "or name the orgs: callfleet slots show ORG"]) from None


async def _set(redis_url: str, org: str, sessions: int | None, agent: str | None) -> Usage:
    redis = redis_pool(redis_url)
    try:
        slots = Slots(redis)
        await slots.set_limit(org, sessions, agent)
        return await slots.usage(org)
    finally:
        await redis.aclose()


async def _close(redis_url: str, org: str) -> Usage:
    redis = redis_pool(redis_url)
    try:
        slots = Slots(redis)
        if (await slots.usage(org)).limit is None:
            raise ConfigFault([f"{org}: no gateway or worker has stated this org's limits"])
        await slots.close_circuit(org)
        return await slots.usage(org)
    finally:
        await redis.aclose()


async def _usages(redis_url: str, orgs: Sequence[str]) -> list[Usage]:
    redis = redis_pool(redis_url)
    try:
        slots = Slots(redis)
        return [await slots.usage(org) for org in orgs]
    finally:
        await redis.aclose()


async def _audits(redis_url: str, orgs: Sequence[str]) -> dict[str, Drift]:
    redis = redis_pool(redis_url)
    try:
        slots = Slots(redis)
        return {org: await slots.audit(org) for org in orgs}
    finally:
        await redis.aclose()


def _print_json(content: Any) -> None:
    sys.stdout.write(json.dumps(content, indent=2) + "\n")


def _told(drift: Drift) -> str:
    if not drift.total:
        return "no drift"
    parts = [f"{name[2:]} counted {was}, has {now}" for name, (was, now) in drift.counts.items()]
    for field in dataclasses.fields(drift):
        number = getattr(drift, field.name)
        if field.name != "counts" and number:
            parts.append(f"{number} {field.name.replace('_', ' ')}")
    return f"repaired: {'; '.join(parts)}"


def _show(usages: Sequence[Usage]) -> None:
    console = Console(file=sys.stdout)
    table = Table("org", "agent", box=None, pad_edge=False)
    for heading in ("limit", "effective", "live", "waiting", "oldest wait"):
        table.add_column(heading, justify="right")
    for usage in usages:
        table.add_row(
            usage.org,
            "(all)",
            _limit(usage.limit, usage.file_limit),
            _number(usage.effective_limit),
            str(usage.live),
            f"{usage.waiting} of {usage.max_waiting}",
            _oldest(usage),
        )
        for name, agent in usage.agents.items():
            limit = _limit(agent.limit, agent.file_limit)
            counts = (str(agent.live), str(agent.waiting))
            table.add_row(usage.org, name, limit, "", *counts, _oldest(agent))
    console.print(table)
    for usage in usages:
        console.print(*_remarks(usage), sep="\n", end="\n" if _remarks(usage) else "")


def _oldest(of: Usage | AgentUsage) -> str:
    return f"{of.oldest_wait_s:.1f} s" if of.waiting else "-"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _limit(in_force: int | None, of_file: int | None) -> str:
    if in_force == of_file:
        return _number(in_force)
    return f"{_number(in_force)} (file: {_number(of_file)})"


def _remarks(usage: Usage) -> list[str]:
    """What a table has no column for."""
    remarks = []
    if usage.limit is None:
        remarks.append("nobody has configured it yet: is a gateway or worker running?")
    if usage.holders:
        held = ", ".join(f"{name} {live}" for name, live in usage.holders.items())
        remarks.append(f"held by {held}")
    if usage.over:
        remarks.append(f"{usage.over} above the limit: no grants until calls end")
    if usage.hold_off_s:
        remarks.append(f"grants held off for {usage.hold_off_s:.1f} s: Redis came back changed")
    if usage.circuit is Circuit.OPEN:
        remarks.append(f"circuit open for {usage.circuit_s:.0f} s more: {usage.circuit_reason}")
    if usage.circuit is Circuit.HALF:
        remarks.append(f"circuit half open, one call at a time tries: {usage.circuit_reason}")
    if usage.tokens_per_minute is not None:
        remarks.append(f"tokens per minute: {usage.token_rate} of {usage.tokens_per_minute}")
    return [f"{usage.org}: {remark}" for remark in remarks]
