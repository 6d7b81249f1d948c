"""The chart rendered by Helm itself, as plain objects: what every test of the chart looks at."""

import functools
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import helm_python
import yaml

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "deploy" / "k8s" / "chart"
COMPONENTS: Final = ("gateway", "worker", "analytics")
NAMESPACE: Final = "voice"
# What a Secret would hold, where a service looks at it before it starts.
_SECRETS: Final = {
    "CALLFLEET_ENCRYPTION_KEYS": "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U=",
    "REDIS_URL": "redis://redis:6379/0",
    "DATABASE_URL": "postgresql://callfleet@postgres/callfleet",
}
Object = dict[str, Any]
Values = dict[str, Any]

_FILES: Final = sorted((Path(__file__).parent / "values").glob("*.yaml"))
MATRIX: Final[dict[str, Values]] = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in _FILES
}


def merged(first: Values, second: Values) -> Values:
    """As Helm lays one values file over another."""
    result = deepcopy(first)
    for key, value in second.items():
        below = result.get(key)
        maps = isinstance(below, dict) and isinstance(value, dict)
        result[key] = merged(result[key], value) if maps else deepcopy(value)
    return result


def texts(values: Values, *, name: str = "callfleet") -> dict[str, str]:
    """Each template's text, as rendered; raises what Helm raises."""
    with helm_python.Chart.load(CHART) as chart:
        return chart.render(values, name=name, namespace=NAMESPACE)


def render(values: Values, *, name: str = "callfleet") -> list[Object]:
    return [
        thing
        for template, text in sorted(texts(values, name=name).items())
        if template.endswith(".yaml")
        for thing in yaml.safe_load_all(text)
        if thing
    ]


@functools.cache
def _of_matrix(case: str) -> list[Object]:
    return render(MATRIX[case])


def of_matrix(case: str) -> list[Object]:
    """A fresh copy of what the values file renders to."""
    return deepcopy(_of_matrix(case))


def with_minimal(**values: Any) -> list[Object]:
    return render(merged(MATRIX["minimal"], values))


def of_kind(objects: list[Object], kind: str) -> dict[str, Object]:
    return {thing["metadata"]["name"]: thing for thing in objects if thing["kind"] == kind}


def component_of(thing: Object) -> str:
    labels: dict[str, str] = thing["metadata"].get("labels", {})
    return labels.get("app.kubernetes.io/component", "")


def deployments(objects: list[Object]) -> dict[str, Object]:
    """By component, only ours."""
    found = {component_of(thing): thing for thing in of_kind(objects, "Deployment").values()}
    return {name: found[name] for name in COMPONENTS}


@dataclass(frozen=True)
class Pod:
    """A pod that the chart would start, whatever starts it."""

    name: str
    metadata: Object
    spec: Object

    @property
    def own(self) -> Object:
        """The chart's container; others are somebody else's."""
        container: Object = self.spec["containers"][0]
        return container

    @property
    def env(self) -> dict[str, Object]:
        return {one["name"]: one for one in self.own.get("env", [])}


def pods(objects: list[Object]) -> Iterator[Pod]:
    for thing in objects:
        name = f"{thing['kind']}/{thing['metadata']['name']}"
        if thing["kind"] == "Pod":
            yield Pod(name, thing["metadata"], thing["spec"])
        elif thing["kind"] in ("Deployment", "Job"):
            template = thing["spec"]["template"]
            yield Pod(name, template["metadata"], template["spec"])


def pod_of(objects: list[Object], component: str) -> Pod:
    template = deployments(objects)[component]["spec"]["template"]
    return Pod(component, template["metadata"], template["spec"])


def as_a_process_sees_it(pod: Pod, address: str = "10.1.2.3") -> dict[str, str]:
    """References resolved as kubelet does: only those to variables above."""
    seen: dict[str, str] = {}
    for one in pod.own["env"]:
        if "value" in one:
            seen[one["name"]] = re.sub(
                r"\$\((\w+)\)", lambda found: seen.get(found[1], found[0]), one["value"]
            )
        elif "fieldRef" in one["valueFrom"]:
            seen[one["name"]] = address
        else:
            seen[one["name"]] = _SECRETS.get(one["name"], "a-long-enough-secret")
    return seen
