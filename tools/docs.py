"""Writes what the documents repeat of the code, for `make docs`.

Settings into the README, metrics into ARCHITECTURE, the schema of callfleet.yaml beside its
example; `tests/unit/test_documents.py` holds them equal.
"""

import importlib
import json
import re
import sys
from pathlib import Path
from types import ModuleType

from prometheus_client.metrics import MetricWrapperBase

from callfleet import slots_metrics
from callfleet.config import json_schema
from services import config_cli

ROOT = Path(__file__).parent.parent
METRIC_MODULES = (
    "callfleet.service_metrics",
    "callfleet.telemetry_outlet",
    "services.gateway.metrics",
    "services.worker.metrics",
    "services.analytics.metrics",
)


def settings_table() -> str:
    """Every environment variable, from the services' settings."""
    return config_cli.settings_table()


def metrics_of(module: ModuleType) -> list[MetricWrapperBase]:
    return [thing for thing in vars(module).values() if isinstance(thing, MetricWrapperBase)]


def metrics_table() -> str:
    """Every metric object, from the modules that own them."""
    lines = ["| metric | labels | what it is |", "|---|---|---|"]
    seen = set()
    for name in METRIC_MODULES:
        for metric in metrics_of(importlib.import_module(name)):
            described = next(iter(metric.describe()))
            suffix = "_total" if described.type == "counter" else ""
            labels = ", ".join(f"`{label}`" for label in metric._labelnames) or "-"
            line = f"| `{described.name}{suffix}` | {labels} | {described.documentation} |"
            if line not in seen:
                lines.append(line)
                seen.add(line)
    for family in slots_metrics.described():
        suffix = "_total" if family.type == "counter" else ""
        labels = ", ".join(f"`{label}`" for label in family._labelnames)  # type: ignore[attr-defined] # every family has them
        lines.append(f"| `{family.name}{suffix}` | {labels} | {family.documentation} |")
    return "\n".join(lines) + "\n"


def documents() -> dict[Path, str]:
    """Each file as it should be."""
    return {
        ROOT / "README.md": _filled("README.md", "settings", settings_table()),
        ROOT / "ARCHITECTURE.md": _filled("ARCHITECTURE.md", "metrics", metrics_table()),
        ROOT / "examples" / "callfleet.schema.json": json.dumps(
            json_schema(), indent=2, ensure_ascii=False
        )
        + "\n",
    }


def _filled(file: str, name: str, text: str) -> str:
    """The file with `text` between its markers."""
    page = (ROOT / file).read_text()
    pattern = re.compile(rf"(<!-- {name}: [^>]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
    filled, count = pattern.subn(lambda found: found[1] + text + found[2], page)
    assert count == 1, f"{file} has no place for {name}"
    return filled


if __name__ == "__main__":
    for path, wanted in documents().items():
        if not path.exists() or path.read_text() != wanted:
            path.write_text(wanted)
            sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
