"""Helm's own lint, Kubernetes' own schemas: of the oldest and the newest version we support."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import jsonschema  # type: ignore[import-untyped] # it ships no types
import kubernetes_validate
import pytest
import yaml

from tests.chart.rendering import CHART, MATRIX, ROOT, Object, of_matrix

OLDEST, NEWEST = "1.30", "1.37"
CRDS = Path(os.environ.get("CALLFLEET_CRDS", ROOT.parent / "shared" / "crds"))
CUSTOM = ("keda.sh", "monitoring.coreos.com", "gateway.networking.k8s.io")


def is_custom(thing: Object) -> bool:
    return str(thing["apiVersion"]).split("/")[0] in CUSTOM


def test_the_supported_versions_are_what_the_chart_says() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["kubeVersion"] == f">={OLDEST}.0-0"
    assert kubernetes_validate.latest_version() == NEWEST + ".0", "a newer one can be tested"


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("case", MATRIX)
def test_helm_lints_strictly(case: str, version: str) -> None:
    report = helm_python.lint(
        CHART, MATRIX[case], strict=True, kube_version=f"v{version}.0", namespace="voice"
    )
    serious = [found for found in report["messages"] if found["severity"] > 1]
    assert (serious, report["errors"]) == ([], [])


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("case", MATRIX)
def test_kubernetes_takes_every_object(case: str, version: str) -> None:
    """Strict: an unknown field is an error, not ignored."""
    for thing in of_matrix(case):
        if not is_custom(thing):
            kubernetes_validate.validate(thing, version, strict=True)


def test_the_schemas_are_strict() -> None:
    (deployment, *_) = [one for one in of_matrix("minimal") if one["kind"] == "Deployment"]
    deployment["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        kubernetes_validate.validate(deployment, NEWEST, strict=True)


@cache
def custom_schema(kind: str, api_version: str) -> Any:
    group, version = api_version.split("/")
    described = json.loads((CRDS / f"{kind.lower()}-{group}-{version}.json").read_text())
    return _strict(described["openAPIV3Schema"])


def _strict(schema: Any) -> Any:
    """As the API server reads it: fields that are not described are not there."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _strict(value) for key, value in schema.items()}
    described = isinstance(result.get("properties"), dict) and result.get("type") == "object"
    if described and not result.get("x-kubernetes-preserve-unknown-fields"):
        result.setdefault("additionalProperties", False)
    return result


def check_custom(thing: Object) -> None:
    schema = custom_schema(thing["kind"], thing["apiVersion"])
    schema["properties"]["metadata"] = {"type": "object"}
    jsonschema.validate(thing, schema)


needs_crds = pytest.mark.skipif(
    not CRDS.is_dir(), reason="no copies of the custom resources' schemas beside the project"
)


@needs_crds
def test_operators_take_every_custom_resource() -> None:
    checked = set()
    for case in MATRIX:
        for thing in filter(is_custom, of_matrix(case)):
            check_custom(thing)
            checked.add(thing["kind"])
    assert checked == {"ScaledObject", "PodMonitor", "ServiceMonitor", "HTTPRoute"}


@needs_crds
def test_the_custom_schemas_are_strict() -> None:
    (scaled, *_) = [one for one in of_matrix("production") if one["kind"] == "ScaledObject"]
    scaled["spec"]["pollingIntervall"] = 15
    with pytest.raises(jsonschema.ValidationError, match="pollingIntervall"):
        check_custom(scaled)
