"""Set-up says in one line what is missing and what to do."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tools import setup


def test_an_old_python_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    monkeypatch.setattr(subprocess, "call", _not_there)
    assert setup.main() == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "Python 3.11 or newer is needed" in told and "install one" in told


def test_a_newer_python_on_the_path_is_used_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def call(command: list[str]) -> int:
        asked.append(command[0])
        if command[0] != "python3.12":
            raise FileNotFoundError
        return 0

    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    monkeypatch.setattr(subprocess, "call", call)
    assert setup.main() == 0
    assert asked[-1] == "python3.12"


def _not_there(_: list[str]) -> int:
    raise FileNotFoundError


@pytest.mark.parametrize(
    ("wrote", "remedy"),
    [
        ("error: command 'gcc' failed: No such file or directory", "build-essential"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "nothing was"),
        ("NewConnectionError: Failed to establish a new connection", "network"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: Could not find a version that satisfies foo", "foo"),
    ],
)
def test_what_pip_wrote_becomes_one_line(
    wrote: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "setup.log"
    log.write_text(f"Collecting something\n{wrote}\n")
    monkeypatch.setattr(setup, "LOG", str(log))
    line = setup.remedy()
    assert remedy in line
    assert "\n" not in line and "setup.log" in line


def test_it_parses_on_pythons_too_old_to_run_the_rest() -> None:
    ast.parse(Path(setup.__file__).read_text(), feature_version=(3, 7))
