"""`callfleet calls` and `callfleet analytics --migrate`, as somebody at a terminal meets them."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from callfleet.journal_entries import CALL_BACK, Entry, Note
from services.analytics import calls_cli
from services.analytics.database import Database
from services.analytics.jobs import AgentFacts, Recorder, Scorer
from services.analytics.store import Store
from tests.analytics_scene import (
    KEYS,
    STARTED_MS,
    Journals,
    Model,
    answer,
    call_id,
    ended_call,
    key_ring,
    migrated,
    turn,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def database_path(tmp_path: Path) -> Path:
    return tmp_path / "callfleet.db"


async def fill(url: str, *, calls: int = 3) -> None:
    """Call 1 is scored, call 2 is empty, the others wait; one agent's name is a formula."""
    async with migrated(url) as database:
        journals = Journals()
        agents = {"clinic": AgentFacts("health")}
        recorder = Recorder(journals, Store(database), key_ring(), secret="s" * 16, agents=agents)
        scorer = Scorer(
            Store(database), key_ring(), Model(lambda _n: answer()), attempts_max=3, backoff_s=1
        )
        for number in range(1, calls + 1):
            entries: list[Entry] | None = [turn("agent", "Hello?", 0)] if number == 2 else None
            agent = "=cmd|' /C calc'!A0" if number == 3 else "clinic"
            await recorder.record(journals.add(ended_call(number, entries, agent=agent)))
            if number <= 2:
                await scorer.score(call_id(number))


def callfleet(path: Path, *arguments: str, keys: str = KEYS) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": f"sqlite:///{path}",
        "CALLFLEET_ENCRYPTION_KEYS": keys,
    }
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        capture_output=True, text=True, env=environment, cwd=ROOT, timeout=60, check=False,
    )  # fmt: skip


def files_beside(path: Path) -> list[str]:
    return [found.name for found in path.parent.iterdir()]


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


async def test_listing_as_json_newest_first(database_path: Path) -> None:
    await fill(url_of(database_path))
    done = callfleet(database_path, "calls", "list", "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["call_id"] for row in rows] == [call_id(3), call_id(2), call_id(1)]
    scored = rows[2]
    assert (scored["sentiment"], scored["intent"], scored["lead_score"]) == ("positive", "book", 80)
    assert (scored["status"], scored["turns"], scored["duration_ms"]) == ("scored", 4, 6_500)
    assert scored["evidence"] == {"sentiment": [2, 4], "intent": [2]}
    assert (rows[1]["status"], rows[1]["why_not"]) == ("not_scorable", "nothing_said")


async def test_filters(database_path: Path) -> None:
    await fill(url_of(database_path))

    def listed(*filters: str) -> int:
        done = callfleet(database_path, "calls", *filters, "--format", "json")
        assert done.returncode == 0, done.stderr
        return len(json.loads(done.stdout))

    assert listed("--agent", "clinic") == 2
    assert listed("list", "--status", "scored") == 1
    assert listed("--agent", "clinic", "list", "--limit", "1") == 1
    assert listed("--since", "2000-01-01", "--until", "2001-01-01") == 0
    assert listed("--since", "2000-01-01") == 3


async def test_csv_neutralises_formulas_and_keeps_numbers(database_path: Path) -> None:
    await fill(url_of(database_path))
    done = callfleet(database_path, "calls", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert rows[0]["agent"] == "'=cmd|' /C calc'!A0"
    assert rows[0]["called"] == "+15551230001"
    assert rows[2]["lead_score"] == "80" and rows[0]["lead_score"] == ""
    assert json.loads(rows[2]["reasons"]) == [{"signal": "asked_to_book", "turns": [2]}]


async def test_promised_call_backs_are_listed_until_they_are_made(database_path: Path) -> None:
    async with migrated(url_of(database_path)) as database:
        journals = Journals()
        agents = {"clinic": AgentFacts("health")}
        recorder = Recorder(journals, Store(database), key_ring(), secret="s" * 16, agents=agents)
        for number in (1, 2, 3):
            entries: list[Entry] = [Note(CALL_BACK, 2_000)] if number > 1 else []
            await recorder.record(journals.add(ended_call(number, entries, waited_ms=1_500)))

    def listed(*arguments: str, keys: str = KEYS) -> list[Any]:
        done = callfleet(
            database_path, "calls", "callbacks", *arguments, "--format", "json", keys=keys
        )
        assert done.returncode == 0, done.stderr
        rows: list[Any] = json.loads(done.stdout)
        return rows

    rows = listed()
    assert [row["call_id"] for row in rows] == [call_id(2), call_id(3)]
    assert [row["caller"] for row in rows] == ["+15557000002", "+15557000003"]
    assert [row["waited_ms"] for row in rows] == [1_500, 1_500]
    assert [row["caller"] for row in listed(keys="")] == [None, None]
    assert listed("--agent", "other") == []
    assert "+15557000002" in callfleet(database_path, "calls", "callbacks").stdout
    assert callfleet(database_path, "calls", "callbacks", "--done", call_id(2)).returncode == 0
    assert [row["call_id"] for row in listed()] == [call_id(3)]
    unknown = callfleet(database_path, "calls", "callbacks", "--done", call_id(1))
    assert (unknown.returncode, unknown.stdout) == (1, "")
    shown = json.loads(callfleet(database_path, "calls", "--format", "json").stdout)
    assert [row["call_back"] for row in shown] == ["requested", "done", ""]


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "+15551x"])
def test_no_cell_begins_like_a_formula(text: str) -> None:
    assert calls_cli.cell(text) == f"'{text}"


async def test_the_table_fits_what_people_ask(database_path: Path) -> None:
    await fill(url_of(database_path))
    table = callfleet(database_path, "calls").stdout
    for shown in (call_id(1), "clinic", "positive +0.6", "book", "80", "nothing said", "0:06"):
        assert shown in table


async def test_showing_a_call_opens_the_transcript(database_path: Path) -> None:
    await fill(url_of(database_path))
    shown = callfleet(database_path, "calls", "show", call_id(1)).stdout
    for text in ("I would like to book a check-up", "[cut off after 0.5 s]", "+15557000001",
                 "The caller booked", "asked to book", "Perfect, thank you!"):  # fmt: skip
        assert text in shown
    by_carrier = callfleet(database_path, "calls", "show", f"CA{1:032d}", "--format", "json")
    whole = json.loads(by_carrier.stdout)
    assert whole["caller"] == "+15557000001"
    assert whole["notes"] == [{"kind": "dtmf", "at_ms": 3000, "data": {"digit": "5"}}]
    assert whole["scores"][0]["summary"] == "The caller booked a check-up for Tuesday."
    assert "wrapped_key" not in whole


async def test_mistakes_are_one_line_and_an_exit_code(database_path: Path) -> None:
    missing = callfleet(database_path, "calls")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "there is no database" in missing.stderr
    assert files_beside(database_path) == [], "looking creates nothing"
    empty = Database(url_of(database_path))
    await empty.revision()
    await empty.close()
    assert "--migrate" in callfleet(database_path, "calls").stderr
    await fill(url_of(database_path), calls=1)
    assert callfleet(database_path, "calls", "show", "nobody").returncode == 1
    keyless = callfleet(database_path, "calls", "show", call_id(1), keys="")
    assert keyless.returncode == 2 and "CALLFLEET_ENCRYPTION_KEYS" in keyless.stderr
    assert callfleet(database_path, "calls", "--since", "yesterday-ish").returncode == 2
    assert "Traceback" not in keyless.stderr + missing.stderr


async def test_migrating_from_the_command_line(database_path: Path) -> None:
    done = callfleet(database_path, "analytics", "--migrate")
    assert done.returncode == 0, done.stderr
    database = Database(url_of(database_path))
    assert await database.revision() == "0004"
    await database.close()


def test_moments_are_utc_dates_or_ages() -> None:
    assert calls_cli.moment_ms("2026-11-18T11:06:40Z") == STARTED_MS
    assert calls_cli.moment_ms("2026-11-18T11:06:40") == STARTED_MS
    assert calls_cli.moment_ms("2026-11-18T12:06:40+01:00") == STARTED_MS
    assert calls_cli.moment_ms("2h") < calls_cli.moment_ms("90m")
