"""Rules of the house that no linter knows: budgets, names, docstrings, who may import whom."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYTHON_ROOTS = ("callfleet", "services", "simulators", "tests", "bench", "tools")
FILE_LINES_MAX = 300
# At most three, each to 400, each with its reason.
LARGER_FILES: dict[str, str] = {}
FUNCTION_LINES_MAX = 70
BANNED_NAMES = (
    "common", "utils", "helpers", "misc", "base", "core", "manager", "handler", "processor",
    "engine", "impl",
)  # fmt: skip


def python_files() -> list[Path]:
    return sorted(path for root in PYTHON_ROOTS for path in (ROOT / root).rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    return {name_of(path): ast.parse(path.read_text()) for path in python_files()}


def test_every_module_opens_with_a_docstring(trees: dict[str, ast.Module]) -> None:
    silent = [name for name, tree in trees.items() if tree.body and not ast.get_docstring(tree)]
    assert silent == []


def test_files_stay_small() -> None:
    assert len(LARGER_FILES) <= 3
    sizes = {name_of(path): len(path.read_text().splitlines()) for path in python_files()}
    limit = {name: 400 if name in LARGER_FILES else FILE_LINES_MAX for name in sizes}
    assert {name: size for name, size in sizes.items() if size > limit[name]} == {}


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_functions_stay_small(trees: dict[str, ast.Module]) -> None:
    long = {
        f"{name}:{function.name}": (function.end_lineno or 0) - function.lineno + 1
        for name, tree in trees.items()
        for function in functions(tree)
    }
    assert {name: lines for name, lines in long.items() if lines > FUNCTION_LINES_MAX} == {}


def test_names_say_what_a_thing_is(trees: dict[str, ast.Module]) -> None:
    words = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
    bad = []
    for name, tree in trees.items():
        classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        for candidate in (Path(name).stem, *classes):
            if any(word.lower() in BANNED_NAMES for word in words.findall(candidate)):
                bad.append(f"{name}: {candidate}")
    assert bad == []


def imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_acceptance_tests_know_only_the_simulators(trees: dict[str, ast.Module]) -> None:
    """The same tests must run against a fleet that is somewhere else."""
    trespassers = [
        f"{name}: {module}"
        for name, tree in trees.items()
        if name.startswith("tests/acceptance/")
        for module in imported(tree)
        if module.split(".")[0] in ("callfleet", "services")
    ]
    assert trespassers == []


def test_only_settings_read_the_environment(trees: dict[str, ast.Module]) -> None:
    readers = []
    for name, tree in trees.items():
        if not name.startswith(("callfleet/", "services/")):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
                readers.append(name)
    assert {name for name in readers if not re.search(r"(settings|cli|app)\.py$", name)} == set()


def test_production_code_never_imports_a_composition_root(trees: dict[str, ast.Module]) -> None:
    importers = [
        name
        for name, tree in trees.items()
        if name.startswith(("callfleet/", "services/")) and name != "services/cli.py"
        for module in imported(tree)
        if re.fullmatch(r"services\.\w+\.app", module)
    ]
    assert importers == []


def tracked_text_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    paths = [ROOT / name for name in listing.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file() and path.suffix not in (".ulaw", ".png")]


def test_nothing_committed_knows_this_machine_or_a_package_index() -> None:
    """A stranger's checkout lies elsewhere and asks another index."""
    index = re.compile(r"--(extra-)?index-url[ =]|\"resolved\": \"http|registry = \{ *index")
    here = re.compile(rf"(^|[^A-Za-z0-9_.]){re.escape(str(ROOT))}/", re.MULTILINE)
    told = []
    for path in tracked_text_files():
        text = path.read_text(errors="replace")
        if path != Path(__file__) and (index.search(text) or here.search(text)):
            told.append(name_of(path))
    assert told == []


def test_every_path_the_architecture_names_exists() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    paths = set(
        re.findall(r"`((?:callfleet|services|simulators|tests|deploy|bench)/[\w./-]+)`", page)
    )
    assert len(paths) > 20, "the journey names its files"
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    described = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert targets == described
