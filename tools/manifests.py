"""Writes what deploy/k8s repeats of something else, for `make manifests`.

The chart's schema repeats the services' settings; deploy/k8s/manifests/base is the chart rendered
for those who install with kubectl. `tests/chart` holds both equal.
"""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any, Final

import helm_python
import yaml

from callfleet.config import json_schema
from callfleet.settings import ServiceSettings
from services.config_cli import SETTINGS

ROOT: Final = Path(__file__).parent.parent
CHART: Final = ROOT / "deploy" / "k8s" / "chart"
MANIFESTS: Final = ROOT / "deploy" / "k8s" / "manifests"
RELEASE: Final = "callfleet"
NAMESPACE: Final = "callfleet"
# Variables that the chart derives from values of its own, or that only a process can know.
DERIVED: Final = {
    "CALLFLEET_CONFIG": "config",
    "CALLFLEET_DRAIN_TIMEOUT_S": "<component>.drain.timeoutSeconds, as is the grace period",
    "CALLFLEET_GATEWAY_HOST": "ipFamily",
    "CALLFLEET_GATEWAY_PORT": "ports.gateway",
    "CALLFLEET_PRIVATE_HOST": "ipFamily",
    "CALLFLEET_PRIVATE_PORT": "ports.private",
    "CALLFLEET_WORKER_HOST": "ipFamily",
    "CALLFLEET_WORKER_ID": "the process: the pod's name and what a restarted container changes",
    "CALLFLEET_WORKER_PORT": "ports.link",
    "CALLFLEET_WORKER_URL": "the pod's address",
    "DATABASE_URL": "database.url or the Secret",
    "PUBLIC_URL": "publicUrl",
    "REDIS_URL": "redis or the Secret",
}
_TYPES: Final = {str: "string", int: "integer", float: "number", bool: "boolean"}
_HEAD: Final = "# Rendered from deploy/k8s/chart by `make manifests`; change the chart instead.\n"


def settable(settings: Any) -> dict[str, dict[str, Any]]:
    """The variables of a settings class that `settings` in the values takes, as JSON Schema."""
    properties = {}
    for field in dataclasses.fields(settings):
        about = field.metadata
        if about["secret"] or about["env"] in DERIVED:
            continue
        kind = _TYPES[field.type]  # type: ignore[index] # annotations of settings are classes
        properties[about["env"]] = {"type": kind, "description": about["help"]}
        if field.default is not dataclasses.MISSING:
            properties[about["env"]]["default"] = field.default
    return dict(sorted(properties.items()))


def schema() -> str:
    """values.schema.json with the services' settings and the file's parts filled in."""
    written = json.loads((CHART / "values.schema.json").read_text())
    for name, settings in {"shared": ServiceSettings, **SETTINGS}.items():
        written["$defs"][f"{name}Settings"] = {
            "type": "object",
            "additionalProperties": False,
            "properties": settable(settings),
        }
    # What stands in callfleet.yaml is its own schema's business; what may stand at its top is not.
    content = written["properties"]["config"]["properties"]["content"]["properties"]
    for part in json_schema()["$defs"]["Config"]["properties"]:
        content.setdefault(part, {"type": "object"})
    return json.dumps(written, indent=2, ensure_ascii=False) + "\n"


def rendered(values: dict[str, Any], *, namespace: str = NAMESPACE) -> dict[str, str]:
    """Each template's text by its name, without empty ones, notes and `helm test`."""
    with helm_python.Chart.load(CHART) as chart:
        texts = chart.render(values, name=RELEASE, namespace=namespace)
    return {
        name.partition("/templates/")[2]: text
        for name, text in sorted(texts.items())
        if name.endswith(".yaml") and "/tests/" not in name and any(yaml.safe_load_all(text))
    }


def manifests() -> dict[Path, str]:
    """The files of deploy/k8s/manifests/base."""
    values = yaml.safe_load((MANIFESTS / "values.yaml").read_text())
    base = MANIFESTS / "base"
    files = {}
    for name, text in rendered(values).items():
        # Who applies them with kubectl does not have Helm manage them.
        objects = [_without_helm(thing) for thing in yaml.safe_load_all(text) if thing]
        files[base / name] = _HEAD + yaml.safe_dump_all(objects, sort_keys=False, width=100)
    listing = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [path.name for path in files],
    }
    files[base / "kustomization.yaml"] = _HEAD + yaml.safe_dump(listing, sort_keys=False)
    return files


def _without_helm(thing: Any) -> Any:
    """Drop the labels that say who installed it, wherever they are."""
    if isinstance(thing, list):
        return [_without_helm(one) for one in thing]
    if not isinstance(thing, dict):
        return thing
    told = ("helm.sh/chart", "app.kubernetes.io/managed-by")
    return {key: _without_helm(value) for key, value in thing.items() if key not in told}


def main() -> None:
    """Write what differs, remove what is not rendered any more."""
    (CHART / "values.schema.json").write_text(schema())
    wanted = manifests()
    for old in (MANIFESTS / "base").glob("*.yaml"):
        if old not in wanted:
            old.unlink()
    for path, text in wanted.items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
