"""Writes requirements.txt (the product), -dev (everything) and -build (its wheel), with hashes.

They are exported rather than committing a resolver's own lock file, which would embed the address
of whatever package index made it.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
OPTIONS = ("--universal", "--python-version", "3.11", "--generate-hashes", "--no-header")
PLAIN = ("--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--quiet")


def compile_lock(output: str, *extra: str) -> None:
    """Resolve pyproject.toml into `output`."""
    _compile(output, "pyproject.toml", *extra)


def compile_build_lock(output: str, *extra: str) -> None:
    """What makes the wheel, for the image."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    _compile(output, "-", *extra, told="\n".join(pyproject["build-system"]["requires"]))


def _compile(output: str, source: str, *extra: str, told: str = "") -> None:
    command = [sys.executable, "-m", "uv", "pip", "compile", *OPTIONS, *PLAIN, *extra]
    subprocess.run(
        [*command, source, "-o", output], cwd=ROOT, check=True, input=told.encode() or None
    )


if __name__ == "__main__":
    compile_lock("requirements.txt")
    compile_lock("requirements-dev.txt", "--extra", "dev", "-c", "requirements.txt")
    compile_build_lock("requirements-build.txt", "-c", "requirements-dev.txt")
