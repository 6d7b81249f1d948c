"""`make demo`: a whole fleet on this machine, and twelve calls through it.

Everything a call meets in production is here and real but the two ends: the phone company and the
OpenAI APIs are our strict simulators (with --real the APIs are real too). What the table shows was
read back with `callfleet calls`, as an analyst would.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from simulators.child import ChildFailed
from simulators.fleet import ACCOUNT_SID, Fleet, FleetPlan
from simulators.phone import PhoneCompany
from simulators.phone_report import CallReport
from simulators.phone_scripts import script_named

CALLS = (
    ("clinic", "polite"),
    ("real_estate", "polite"),
    ("salon", "polite"),
    ("clinic", "interrupting"),
    ("real_estate", "angry"),
    ("salon", "pressing_keys"),
    ("clinic", "angry"),
    ("real_estate", "interrupting"),
    ("salon", "hanging_up_mid_word"),
    ("clinic", "silent"),
    ("real_estate", "polite"),
    ("salon", "interrupting"),
)
NUMBERS = {"clinic": "+15551230001", "real_estate": "+15551230002", "salon": "+15551230003"}
SCORED_LIMIT_S = 30.0
KEPT_PORT = 8080
DIRECTORY = Path("var/demo")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keep", action="store_true", help="leave the fleet up until Ctrl-C")
    parser.add_argument("--real", action="store_true", help="the real APIs, for a real number")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--port", type=int, default=KEPT_PORT, help="with --keep or --real")


async def run(arguments: argparse.Namespace) -> int:
    console = Console(width=None if sys.stdout.isatty() else 100)
    mistake = _mistake(arguments)
    if mistake:
        print(f"callfleet: {mistake}", file=sys.stderr)
        return 1
    fleet = Fleet(_plan(arguments))
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    work = asyncio.create_task(_play(fleet, arguments, console, stopping))
    stop = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
        return (await asyncio.gather(work, return_exceptions=False))[0]
    except asyncio.CancelledError:
        return 130
    except (ChildFailed, RuntimeError) as error:
        print(f"callfleet: {error} (logs: {fleet.directory})", file=sys.stderr)
        return 1
    finally:
        stop.cancel()
        await fleet.stop()


def _mistake(arguments: argparse.Namespace) -> str:
    """What keeps the demo from starting, and what to do about it; empty when nothing does."""
    if arguments.real and not os.environ.get("OPENAI_API_KEY"):
        return "REAL=1 needs OPENAI_API_KEY in the environment: export it and run again"
    if arguments.real and not os.environ.get("PUBLIC_URL", "").startswith("https://"):
        return (
            "REAL=1 needs PUBLIC_URL, the https address under which Twilio reaches this machine's "
            f"port {arguments.port} (a tunnel will do): export it and run again"
        )
    if arguments.keep or arguments.real:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", arguments.port))
            except OSError:
                return (
                    f"port {arguments.port} is taken: stop what listens there "
                    f"(ss -ltnp 'sport = :{arguments.port}') and run again"
                )
    return ""


def _plan(arguments: argparse.Namespace) -> FleetPlan:
    """One gateway, two workers, one analytics worker, in a directory emptied of the last demo."""
    for leftover in (*DIRECTORY.glob("callfleet.db*"), *DIRECTORY.glob("*.log")):
        leftover.unlink()
    plan = FleetPlan(keep_directory=DIRECTORY.resolve())
    if arguments.keep or arguments.real:
        plan.gateway_port = arguments.port
    if arguments.real:
        plan.real_apis = True
        plan.public_url = os.environ["PUBLIC_URL"]
        token = os.environ.get("TWILIO_AUTH_TOKEN")
        plan.environment = {"TWILIO_AUTH_TOKEN": token} if token else {}
    return plan


async def _play(
    fleet: Fleet, arguments: argparse.Namespace, console: Console, stopping: asyncio.Event
) -> int:
    with console.status("starting Redis, a gateway, two workers, analytics, the simulators ..."):
        await fleet.start()
    if arguments.real:
        _show_real(fleet, console, arguments.port)
        await stopping.wait()
        return 0
    reports = await _place_calls(fleet, arguments.seed, console)
    rows = await _scored(fleet, reports, console)
    console.print(_table(rows))
    await _show_transcript(fleet, rows, console)
    _show_places(fleet, console, kept=arguments.keep)
    missing = len(reports) - sum(row["status"] in ("scored", "not_scorable") for row in rows)
    if missing:
        print(f"callfleet: {missing} of {len(reports)} calls were not scored", file=sys.stderr)
        return 1
    if arguments.keep:
        console.print("Ctrl-C stops everything.")
        await stopping.wait()
    return 0


async def _place_calls(fleet: Fleet, seed: int, console: Console) -> list[CallReport]:
    phone = PhoneCompany(
        account_sid=ACCOUNT_SID,
        auth_token=fleet.auth_token,
        voice_url=fleet.voice_url,
        public_url_rewrites=fleet.public_rewrites,
        seed=seed,
    )
    scripts = [
        (vertical, script_named(name, vertical, seed + number).but(chars_per_s=20.0))
        for number, (vertical, name) in enumerate(CALLS)
    ]
    columns = (TextColumn("{task.description:<32}"), BarColumn(24), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[state]}"), console=console) as progress:
        async with phone, asyncio.TaskGroup() as group:
            bars: dict[str, TaskID] = {}
            placed = []
            for number, (vertical, script) in enumerate(scripts):
                caller = f"+1555700{number:04d}"
                lines = len(script.lines) or 1
                bars[caller] = progress.add_task(script.name, total=lines, state="ringing")
                placed.append(group.create_task(phone.place(caller, NUMBERS[vertical], script)))
                await asyncio.sleep(0.15)  # a busy minute, not a stampede
            await _follow(phone, placed, progress, bars)
    return [call.result() for call in placed]


async def _follow(
    phone: PhoneCompany,
    placed: list[asyncio.Task[CallReport]],
    progress: Progress,
    bars: dict[str, TaskID],
) -> None:
    """Move each call's bar by what its caller has said, until all calls are over."""
    while not all(call.done() for call in placed):
        for call in phone.calls.values():
            state = "talking" if call.report.streams else "ringing"
            said = len(call.report.said)
            progress.update(bars[call.report.caller], completed=said, state=state)
        await asyncio.wait(placed, timeout=0.2)
        for report in (call.result() for call in placed if call.done()):
            bar = bars[report.caller]
            state = report.ended_by.replace("_", " ")
            progress.update(bar, completed=progress.tasks[bar].total, state=state)
            progress.stop_task(bar)


async def _scored(
    fleet: Fleet, reports: list[CallReport], console: Console
) -> list[dict[str, Any]]:
    """Every call's row, once nothing is left to score or the time for it is over."""
    with console.status("analytics scores the calls ..."):
        rows: list[dict[str, Any]] = []
        deadline = asyncio.get_running_loop().time() + SCORED_LIMIT_S
        while asyncio.get_running_loop().time() < deadline:
            code, output, errors = await fleet.command("calls", "list", "--format", "json")
            if code:
                raise RuntimeError(f"callfleet calls list failed: {errors.strip()}")
            rows = json.loads(output)
            done = sum(row["status"] in ("scored", "not_scorable", "dead") for row in rows)
            if done >= len(reports):
                break
            await asyncio.sleep(0.5)
    return rows


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title=f"{len(rows)} calls, answered, held and scored", box=SIMPLE_HEAD)
    for heading in ("agent", "length", "turns", "ended", "sentiment", "intent", "lead score"):
        right = heading in ("length", "turns", "lead score")
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for row in rows:
        table.add_row(
            row["agent"],
            f"{row['duration_ms'] / 1000:.1f} s",
            str(row["turns"]),
            str(row["end_reason"]).replace("_", " "),
            str(row["sentiment"] or row["status"].replace("_", " ")),
            str(row["intent"] or "-"),
            "-" if row["lead_score"] is None else str(row["lead_score"]),
        )
    return table


async def _show_transcript(fleet: Fleet, rows: list[dict[str, Any]], console: Console) -> None:
    """The longest call, as `callfleet calls show` prints it."""
    if not rows:
        return
    longest = max(rows, key=lambda row: int(row["turns"]))
    _, output, errors = await fleet.command("calls", "show", str(longest["call_id"]))
    console.print(output or errors, markup=False, highlight=False)


def _show_places(fleet: Fleet, console: Console, *, kept: bool) -> None:
    console.print(f"database   {fleet.directory / 'callfleet.db'}")
    console.print(f"logs       {fleet.directory}/*.log")
    for name in (name for name in fleet.processes if name not in ("realtime", "chat")):
        console.print(f"metrics    {fleet.private_url(name)}/metrics  {name}", highlight=False)
    if kept:
        gateway = fleet.public_rewrites[fleet.plan.public_url]
        console.print(f"webhook    {gateway}/twilio/voice", highlight=False)
    else:
        console.print("The fleet stops now; `make demo KEEP=1` leaves it up at these addresses.")


def _show_real(fleet: Fleet, console: Console, port: int) -> None:
    public = fleet.plan.public_url
    console.print(f"The fleet is up on port {port} with the real APIs.")
    console.print("Point a Twilio number at it (Console > Phone Numbers > Voice configuration):")
    console.print(f"  A call comes in   Webhook, HTTP POST   {public}/twilio/voice")
    console.print(f"  Call status changes                    {public}/twilio/status")
    console.print(f"and give the number an agent in {fleet.plan.config} (numbers:).")
    if "TWILIO_AUTH_TOKEN" not in fleet.plan.environment:
        console.print("Export TWILIO_AUTH_TOKEN first, or every webhook is refused (403).")
    for name in fleet.processes:
        console.print(f"{name:<10} {fleet.private_url(name)}/metrics", highlight=False)
    console.print("Ctrl-C stops everything.")
