"""`callfleet calls`: the calls and their scores in a terminal, as table, JSON or CSV.

Scores need only the database. What was said needs CALLFLEET_ENCRYPTION_KEYS too, and is shown for
one call at a time. A cell of a CSV file that a spreadsheet would run as a formula is made text:
what is in it was said by strangers.
"""

import argparse
import asyncio
import csv
import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from callfleet.calls import CallId
from callfleet.errors import StoreFault
from callfleet.settings import environment, read
from services.analytics import callbacks, calls_page
from services.analytics.catalogue import LISTED, Catalogue, Row, Wanted
from services.analytics.database import Database, database_url
from services.analytics.schema import STATUSES
from services.analytics.settings import CallsSettings
from services.analytics.store import Store

COLUMNS: Final = tuple(column.name for column in LISTED)
LIMIT_MAX: Final = 100_000
_AGO: Final = re.compile(r"(\d{1,6})(m|h|d)$")
_AGO_UNIT: Final = {"m": "minutes", "h": "hours", "d": "days"}
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_NUMBER: Final = re.compile(r"\+\d{1,15}\Z")  # E.164: a plus, and nothing that could be run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """For `services/cli.py`; without a subcommand it lists."""
    _add_filters(parser)
    parser.set_defaults(format="table", limit=50, done=None)
    commands = parser.add_subparsers(dest="calls_command", metavar="list | show | callbacks")
    listing = commands.add_parser(
        "list",
        help="calls and their scores, newest first",
        argument_default=argparse.SUPPRESS,  # or the defaults here undo what was given before
    )
    _add_filters(listing)
    show = commands.add_parser("show", help="one call: transcript, score, evidence")
    show.add_argument("call_id", help="Callfleet's name of the call, or the carrier's")
    show.add_argument("--format", choices=("text", "json"), default="text")
    promised = commands.add_parser(
        "callbacks",
        help="callers who were promised a call back",
        argument_default=argparse.SUPPRESS,
    )
    _add_filters(promised, status=False)
    promised.add_argument("--done", metavar="CALL", help="it was made: take it off the list")


def _add_filters(parser: argparse.ArgumentParser, *, status: bool = True) -> None:
    parser.add_argument("--format", choices=("table", "json", "csv"))
    parser.add_argument("--agent", help="only this agent's")
    if status:
        told = "only these; dead ones were given up"
        parser.add_argument("--status", choices=STATUSES, help=told)
    parser.add_argument(
        "--since", type=moment_ms, metavar="WHEN", help="2026-11-20, 2026-11-20T14:30Z, 90m, 2d"
    )
    parser.add_argument("--until", type=moment_ms, metavar="WHEN", help="not from then on")
    parser.add_argument("--limit", type=_limit, help="how many at most (50)")


def _limit(raw: str) -> int:
    if not raw.isdigit() or not 1 <= int(raw) <= LIMIT_MAX:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {LIMIT_MAX}")
    return int(raw)


def moment_ms(raw: str) -> int:
    """A date, a moment (UTC unless it says otherwise), or how long ago."""
    if ago := _AGO.match(raw):
        moment = datetime.now(UTC) - timedelta(**{_AGO_UNIT[ago[2]]: int(ago[1])})
    else:
        try:
            moment = datetime.fromisoformat(raw)
        except ValueError:
            message = f"{raw!r} is no date, moment (2026-11-20T14:30Z) or age (90m, 12h, 2d)"
            raise argparse.ArgumentTypeError(message) from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def run(arguments: argparse.Namespace) -> int:
    """Exit code 0, or 1 for a call that is not there; raises what `services/cli.py` tells."""
    return asyncio.run(_run(arguments, read(CallsSettings, environment())))


async def _run(arguments: argparse.Namespace, settings: CallsSettings) -> int:
    database = _existing(settings.database_url)
    try:
        if await database.revision() is None:
            raise StoreFault("the database is empty: run `callfleet analytics --migrate` first")
        catalogue = Catalogue(database)
        if arguments.calls_command == "show":
            return await _show(arguments, catalogue, settings)
        if arguments.calls_command == "callbacks":
            return await _callbacks(arguments, database, settings)
        return await _list(arguments, catalogue)
    finally:
        await database.close()


def _existing(url: str) -> Database:
    """Looking must not create an empty SQLite file."""
    parsed = database_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists():
        raise StoreFault(f"there is no database {parsed.database}: is DATABASE_URL right?")
    return Database(url, pool=1)


async def _list(arguments: argparse.Namespace, catalogue: Catalogue) -> int:
    rows = await catalogue.calls(_wanted(arguments))
    if arguments.format == "table":
        calls_page.show_table(rows, limit=arguments.limit)
    else:
        _write([told(row) for row in rows], ("started_at", *COLUMNS), arguments.format)
    return 0


async def _callbacks(
    arguments: argparse.Namespace, database: Database, settings: CallsSettings
) -> int:
    if arguments.done is not None:
        if await Store(database).called_back(arguments.done):
            return 0
        sys.stderr.write(f"callfleet calls: {arguments.done} was promised no call back\n")
        return 1
    found = await Catalogue(database).callbacks(_wanted(arguments))
    rows = callbacks.opened(found, settings.encryption_keys)
    if arguments.format == "table":
        callbacks.show_table(rows)
    else:
        _write(rows, callbacks.COLUMNS, arguments.format)
    return 0


def _wanted(arguments: argparse.Namespace) -> Wanted:
    return Wanted(
        agent=arguments.agent,
        status=arguments.status,
        since_ms=arguments.since,
        until_ms=arguments.until,
        limit=arguments.limit,
    )


async def _show(
    arguments: argparse.Namespace, catalogue: Catalogue, settings: CallsSettings
) -> int:
    whole = await catalogue.call(CallId(arguments.call_id))
    if whole is None:
        sys.stderr.write(f"callfleet calls: there is no call {arguments.call_id}\n")
        return 1
    opened = calls_page.opened_call(whole, settings.encryption_keys)
    if arguments.format == "json":
        json.dump(opened, sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        calls_page.show_call(opened)
    return 0


def told(row: Row) -> dict[str, Any]:
    """A row as programs get it: with the moment it started in words, too."""
    return {"started_at": calls_page.moment(row["started_at_ms"]), **row}


def _write(rows: list[dict[str, Any]], columns: Sequence[str], form: str) -> None:
    """For programs: JSON or CSV."""
    if form == "json":
        json.dump(rows, sys.stdout, indent=1)
        sys.stdout.write("\n")
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(value) for value in row.values()])


def cell(value: Any) -> Any:
    """A value as a cell: lists as JSON, text never a formula, nothing as nothing."""
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value)
    dangerous = text.startswith(_FORMULA) and not _NUMBER.match(text)
    return f"'{text}" if dangerous else text
