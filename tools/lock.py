"""Writes requirements.txt (the product) and requirements-dev.txt (everything) with hashes.

They are exported rather than committing a resolver's own lock file, which would embed the address
of whatever package index made it.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
OPTIONS = ("--universal", "--python-version", "3.11", "--generate-hashes", "--no-header")
PLAIN = ("--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--quiet")


def compile_lock(output: str, *extra: str) -> None:
    """Resolve pyproject.toml into `output`."""
    command = [sys.executable, "-m", "uv", "pip", "compile", *OPTIONS, *PLAIN, *extra]
    subprocess.run([*command, "pyproject.toml", "-o", output], cwd=ROOT, check=True)


if __name__ == "__main__":
    compile_lock("requirements.txt")
    compile_lock("requirements-dev.txt", "--extra", "dev", "-c", "requirements.txt")
