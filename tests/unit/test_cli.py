"""`callfleet`: quick, clear, and never a traceback for what somebody can mend."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from callfleet.config import json_schema
from callfleet.errors import ConfigFault, StoreFault
from callfleet.settings import describe
from services import cli
from services.config_cli import SETTINGS, all_knobs

ROOT = Path(__file__).parents[2]
EXAMPLE = str(ROOT / "examples" / "callfleet.yaml")


def invoke(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        code = cli.main(arguments)
    except SystemExit as left:
        code = int(left.code or 0)
    told = capsys.readouterr()
    return code, told.out, told.err


def with_module(monkeypatch: pytest.MonkeyPatch, **members: object) -> None:
    """`callfleet slots` is this module."""
    module = ModuleType("services.slots_cli")
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, "services.slots_cli", module)


def test_help_names_every_command_and_imports_none_of_them() -> None:
    """What makes it quick, in a process of its own: no event loop, no client, no decoder."""
    script = (
        "import sys; from services.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in sys.modules if m.split('.')[0] in"
        " ('asyncio', 'aiohttp', 'redis', 'msgspec', 'yaml', 'sqlalchemy', 'openai', 'rich')])"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    told = found.stdout.splitlines()
    assert told[-1] == "[]"
    assert all(any(line.split()[:1] == [name] for line in told) for name in cli.COMMANDS)


def test_without_a_command_it_helps_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = invoke(capsys)
    assert (code, out) == (2, "")
    assert "doctor" in err


def test_an_unknown_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = invoke(capsys, "docktor")
    assert code == 2
    assert "docktor" in err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = invoke(capsys, "--version")
    assert code == 0
    assert out.startswith("callfleet ")


def test_a_command_that_is_not_installed_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = cli.Command("services.gone_cli", "was here")
    monkeypatch.setitem(cli.COMMANDS, "slots", gone)
    code, _, err = invoke(capsys, "slots")
    assert (code, err) == (1, "callfleet slots: is not part of this installation\n")


def test_a_command_that_lacks_something_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "lacking_cli.py").write_text("import surely_not_installed")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(cli.COMMANDS, "slots", cli.Command("lacking_cli", "lacks"))
    with pytest.raises(ModuleNotFoundError, match="surely_not_installed"):
        cli.main(["slots"])


def test_a_command_describes_itself_and_its_code_is_returned(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_module(
        monkeypatch,
        add_arguments=lambda parser: parser.add_argument("org"),
        run=lambda parsed: len(parsed.org),
    )
    assert invoke(capsys, "slots", "main")[0] == 4
    assert "org" in invoke(capsys, "slots", "--help")[1]


def test_a_service_needs_no_more_than_main(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_module(monkeypatch, main=lambda: 7)
    assert invoke(capsys, "slots")[0] == 7


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ConfigFault(["A: bad", "B: worse"]), 2, "callfleet slots:\n  A: bad\n  B: worse\n"),
        (StoreFault("Redis did not answer"), 1, "callfleet slots: Redis did not answer\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_somebody_can_mend_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    told: str,
) -> None:
    def run(_parsed: object) -> int:
        raise error

    with_module(monkeypatch, add_arguments=lambda parser: None, run=run)
    assert invoke(capsys, "slots") == (code, "", told)


def test_a_reader_that_left_is_no_failure() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    script = "from services.cli import main; import sys; sys.exit(main(['config', 'schema']))"
    found = subprocess.run(
        [sys.executable, "-c", script], stdout=writer, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    os.close(writer)
    assert (found.returncode, found.stderr) == (0, "")


def test_a_good_file_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = invoke(capsys, "config", "check", EXAMPLE)
    assert (code, err) == (0, "")
    assert out == f"{EXAMPLE}: good: 1 org, 3 agents, 3 numbers\n"


def test_the_file_to_check_may_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CALLFLEET_CONFIG", EXAMPLE)
    assert invoke(capsys, "config", "check")[0] == 0


def test_what_works_only_for_now_is_warned_of(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    old = tmp_path / "old.yaml"
    old.write_text(
        "orgs: {m: {sessions: 1}}\n"
        "agents: {a: {instructions: x, model: gpt-realtime, session: {voice: ash}}}\n"
    )
    code, out, err = invoke(capsys, "config", "check", str(old))
    assert (code, out) == (0, f"{old}: good: 1 org, 1 agent, 0 numbers\n")
    assert err.splitlines() == [
        f"warning: {old}: agents.a.session.voice: is called audio.output.voice now (line 2)",
        f"warning: {old}: agents.a.model: gpt-realtime is shut down on 2027-01-20:"
        " use gpt-realtime-2.1 (line 2)",
    ]
    code, out, _ = invoke(capsys, "config", "check", "--json", str(old))
    told = json.loads(out)
    assert (told["ok"], len(told["warnings"])) == (True, 2)


def test_every_mistake_of_every_file_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("orgs: {m: {sessions: 0}}\nagents: {a: {}}")
    code, out, err = invoke(capsys, "config", "check", EXAMPLE, str(bad))
    assert code == 2
    assert "good" in out
    assert err.splitlines() == [
        f"{bad}: orgs.m.sessions: must be at least 1 (line 1)",
        f"{bad}: agents.a.instructions: is required (line 2)",
    ]
    code, out, _ = invoke(capsys, "config", "check", "--json", str(bad))
    assert (code, len(json.loads(out)["mistakes"])) == (2, 2)


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = invoke(capsys, "config", "schema")
    assert code == 0
    assert json.loads(out) == json_schema()


def test_every_variable_is_listed_once_with_who_reads_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = {knob.env for settings in SETTINGS.values() for knob in describe(settings)}
    assert sorted(knob.env for knob in all_knobs()) == sorted(named)
    _, out, _ = invoke(capsys, "config", "env", "--markdown")
    rows = out.splitlines()[2:]
    assert len(rows) == len(named)
    assert any(row.startswith("| `PUBLIC_URL` | **required** | gateway |") for row in rows)
    _, out, _ = invoke(capsys, "config", "env", "worker")
    assert "CALLFLEET_WORKER_SLOTS  (default 50; worker)" in out
    assert "PUBLIC_URL" not in out
