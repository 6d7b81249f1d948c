"""Callers who were promised a call back: who, since when, and on which number.

The numbers are sealed like everything about a caller: without CALLFLEET_ENCRYPTION_KEYS the list
shows when and for which agent, and no number.
"""

from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from callfleet.calls import CallId
from callfleet.encryption import KeyRing
from services.analytics import rows
from services.analytics.calls_page import moment
from services.analytics.catalogue import Row

COLUMNS: Final = ("started_at", "call_id", "agent", "caller", "called", "waited_ms", "call_back")


def opened(found: Sequence[Row], encryption_keys: str) -> list[dict[str, Any]]:
    """As COLUMNS; `caller` is None where it cannot or may not be read any more."""
    ring = KeyRing.parse(encryption_keys) if encryption_keys else None
    return [_opened(row, ring) for row in found]


def _opened(row: Row, ring: KeyRing | None) -> dict[str, Any]:
    caller = None
    if ring is not None and row["wrapped_key"] is not None:
        key = ring.unwrap(CallId(row["call_id"]), row["wrapped_key"])
        caller = rows.opened_caller(key, row["caller_sealed"])
    told = row | {"started_at": moment(row["started_at_ms"]), "caller": caller}
    return {name: told[name] for name in COLUMNS}


def show_table(found: Sequence[dict[str, Any]]) -> None:
    """Who has waited longest comes first."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    if not found:
        console.print("Nobody waits for a call back.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("called at (UTC)", "caller", "agent", "call"):
        table.add_column(heading, no_wrap=heading == "call")
    for row in found:
        caller = row["caller"] or "sealed: set CALLFLEET_ENCRYPTION_KEYS"
        table.add_row(row["started_at"], Text(caller), Text(row["agent"]), row["call_id"])
    console.print(table)
    console.print("`callfleet calls callbacks --done CALL` takes one off the list.", style="dim")
