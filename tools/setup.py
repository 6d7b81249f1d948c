"""Makes .venv ready: locked packages with hashes, then this checkout, editable.

`make` runs it with whatever `python3` there is, so it must parse on old Pythons and say in one
line what is missing and what to do. It does nothing when the lock has not changed since last time.
"""

import hashlib
import os
import subprocess
import sys

OLDEST = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
LOG = os.path.join(VENV, "setup.log")
READY = os.path.join(VENV, "ready")
INPUTS = ("requirements-dev.txt", "pyproject.toml", os.path.join("tools", "setup.py"))


def main() -> int:
    """Exit code 0 when .venv is ready."""
    if sys.version_info < OLDEST:
        return with_newer_python()
    wanted = fingerprint()
    if os.path.exists(READY) and read(READY) == wanted:
        return 0
    say("setting up .venv (once, about a minute) ...")
    if not make_venv():
        return fail(
            "this Python cannot make virtual environments; install its venv module "
            "(Debian, Ubuntu: apt-get install python3-venv) and run again"
        )
    pip = [os.path.join(VENV, "bin", "python"), "-m", "pip", "install", "--no-input"]
    lock = os.path.join(ROOT, "requirements-dev.txt")
    if not run([*pip, "--require-hashes", "-r", lock]):
        return fail(remedy())
    if not run([*pip, "--no-deps", "--no-build-isolation", "-e", ROOT]):
        return fail(remedy())
    with open(READY, "w") as file:
        file.write(wanted)
    return 0


def with_newer_python() -> int:
    """Hand over to a newer Python on the PATH, when there is one."""
    for minor in range(19, OLDEST[1] - 1, -1):
        try:
            return subprocess.call([f"python3.{minor}", os.path.abspath(__file__)])
        except OSError:
            continue
    return fail(
        f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; install one and run "
        "again (make PYTHON=/path/to/it ...)"
    )


def make_venv() -> bool:
    if os.path.exists(os.path.join(VENV, "bin", "python")):
        return True
    os.makedirs(VENV, exist_ok=True)
    return run([sys.executable, "-m", "venv", VENV])


def fingerprint() -> str:
    digest = hashlib.sha256()
    for name in INPUTS:
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    digest.update(sys.version.encode())
    return digest.hexdigest()


def run(command: list) -> bool:
    with open(LOG, "ab") as log:
        return subprocess.call(command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT) == 0


def remedy() -> str:
    """One line that says what went wrong, from what pip wrote."""
    text = read(LOG)
    where = "(details: .venv/setup.log)"
    if "HASHES" in text:
        return "a downloaded package does not match its locked hash; nothing was installed " + where
    if any(sign in text for sign in ("gcc", "command 'cc'", "Microsoft Visual C++", "clang")):
        return (
            "a package has no ready-made wheel for this machine and there is no C compiler; "
            "install one (apt-get install build-essential python3-dev) and run again " + where
        )
    if any(sign in text for sign in ("NewConnectionError", "Could not fetch", "resolve host")):
        return "the package index cannot be reached; check the network or pip's proxy " + where
    if "No space left" in text:
        return "the disk is full; free about 1 GB and run again " + where
    lines = [line for line in text.splitlines() if line.startswith("ERROR")] or ["pip failed"]
    return lines[-1][:200] + " " + where


def read(path: str) -> str:
    with open(path, errors="replace") as file:
        return file.read()


def say(text: str) -> None:
    print("callfleet: " + text, flush=True)


def fail(text: str) -> int:
    print("callfleet: " + text, file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
