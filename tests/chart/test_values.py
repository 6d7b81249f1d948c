"""Wrong values are refused with their path; every value there is, is described."""

import json
import re
from copy import deepcopy
from typing import Any

import helm_python
import pytest
import yaml

from callfleet.config import json_schema
from tests.chart.rendering import CHART, COMPONENTS, MATRIX, ROOT, merged, texts
from tools.manifests import schema

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def refused(values: dict[str, Any]) -> str:
    with pytest.raises(helm_python.HelmError) as caught:
        texts(merged(MATRIX["minimal"], values))
    return str(caught.value)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a misspelt key": ({"gatway": {}}, "gatway"),
    "a misspelt key below": ({"worker": {"replicaCount": 3}}, "replicaCount"),
    "replicas as text": ({"worker": {"replicas": "three"}}, "/worker/replicas"),
    "no drain at all": ({"worker": {"drain": {"timeoutSeconds": 0}}}, "/worker/drain"),
    "too little to close": ({"worker": {"drain": {"marginSeconds": 5}}}, "marginSeconds"),
    "no preStop": ({"gateway": {"drain": {"preStopSeconds": 0}}}, "preStopSeconds"),
    "a path to dial": ({"publicUrl": "https://voice.example.com/x"}, "/publicUrl"),
    "plain http": ({"publicUrl": "http://voice.example.com"}, "/publicUrl"),
    "a password for Redis": ({"redis": {"url": "redis://:secret@redis:6379"}}, "/redis/url"),
    "a password for the database": (
        {"database": {"url": "postgresql://me:secret@postgres/callfleet"}},
        "/database/url",
    ),
    "SQLite": ({"database": {"url": "sqlite+aiosqlite:///callfleet.db"}}, "/database/url"),
    "a list of variables": ({"worker": {"extraEnv": [{"name": "A", "value": "b"}]}}, "extraEnv"),
    "a variable with a dash": ({"worker": {"extraEnv": {"A-B": "c"}}}, "A-B"),
    "a setting nobody knows": (
        {"settings": {"worker": {"CALLFLEET_WORKER_SLOT": 5}}},
        "CALLFLEET_WORKER_SLOT",
    ),
    "another service's setting": (
        {"settings": {"gateway": {"CALLFLEET_WORKER_SLOTS": 5}}},
        "CALLFLEET_WORKER_SLOTS",
    ),
    "a secret among settings": (
        {"settings": {"shared": {"CALLFLEET_SECRET": "a-long-enough-secret"}}},
        "CALLFLEET_SECRET",
    ),
    "a derived setting": (
        {"settings": {"worker": {"CALLFLEET_DRAIN_TIMEOUT_S": 5}}},
        "CALLFLEET_DRAIN_TIMEOUT_S",
    ),
    "a setting of the wrong type": (
        {"settings": {"worker": {"CALLFLEET_WORKER_SLOTS": "many"}}},
        "CALLFLEET_WORKER_SLOTS",
    ),
    "an unknown autoscaler": ({"worker": {"autoscaling": {"kind": "vpa"}}}, "kind"),
    "a surge of nothing": ({"worker": {"maxSurge": 0}}, "maxSurge"),
    "half a digest": ({"image": {"digest": "sha256:12"}}, "/image/digest"),
    "a port out of range": ({"ports": {"link": 70000}}, "/ports/link"),
    "an org without sessions": ({"config": {"content": {"orgs": {"x": {}}}}}, "sessions"),
    "an interval in words": ({"metrics": {"podMonitor": {"interval": "15 seconds"}}}, "interval"),
    "a timeout of a route": ({"httpRoute": {"timeouts": {"request": "0sec"}}}, "request"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_value_is_refused_by_its_path(what: str) -> None:
    values, path = WRONG[what]
    told = refused(values)
    assert path in told and "mistake(s)" not in told, "the schema says it"


CONTRADICTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no address": ({"publicUrl": ""}, "publicUrl: is needed"),
    "two files": ({"config": {"existingConfigMap": "other"}}, "config: content and existing"),
    "two Redis": ({"redis": {"url": "redis://r", "dev": {"enabled": True}}}, "redis: url and dev"),
    "no Gateway": ({"httpRoute": {"enabled": True}}, "httpRoute.parentRefs: is needed"),
    "no Prometheus": ({"worker": {"autoscaling": {"kind": "keda"}}}, "keda.serverAddress"),
    "scraped twice": (
        {"metrics": {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}},
        "metrics: podMonitor and serviceMonitor",
    ),
    "upside down": ({"worker": {"autoscaling": {"minReplicas": 99}}}, "minReplicas is above"),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_values_that_contradict_each_other_are_refused(what: str) -> None:
    values, sentence = CONTRADICTIONS[what]
    assert sentence in refused(values)


def test_the_example_of_the_documents_installs() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    rendered = texts(yaml.safe_load(example))
    assert "registry.example.com/callfleet:" in rendered["callfleet/templates/worker.yaml"]


def test_all_mistakes_are_told_at_once() -> None:
    told = refused({"publicUrl": "", **CONTRADICTIONS["no Gateway"][0]})
    assert "2 mistake(s)" in told and "publicUrl" in told and "httpRoute" in told


def test_what_is_missing_is_told_to_who_just_installs_it() -> None:
    with pytest.raises(helm_python.HelmError, match=r"publicUrl: is needed"):
        texts({})


def test_the_charts_own_values_lint() -> None:
    report = helm_python.lint(CHART, {}, strict=True)
    assert [found for found in report["messages"] if found["severity"] > 1] == []


def test_components_have_one_shape() -> None:
    def shape(value: Any) -> Any:
        return {key: shape(below) for key, below in value.items()} if _named(value) else None

    shapes = [shape(VALUES[component]) for component in COMPONENTS]
    assert shapes[0] == shapes[1] == shapes[2]
    reference = {"$ref": "#/$defs/component"}
    assert [SCHEMA["properties"][component] for component in COMPONENTS] == [reference] * 3


def _named(value: Any) -> bool:
    """A part of the shape, rather than something the user fills in or Kubernetes defines."""
    return isinstance(value, dict) and not {"requests", "policies", "failureThreshold"} & set(value)


def objects_of(node: Any, path: str = "") -> list[tuple[str, Any]]:
    found = [(path, node)] if isinstance(node, dict) and "properties" in node else []
    below = node.items() if isinstance(node, dict) else enumerate(node) if _list(node) else ()
    for key, value in below:
        found += objects_of(value, f"{path}/{key}")
    return found


def _list(node: Any) -> bool:
    return isinstance(node, list)


# The file has a schema of its own: here only what the chart reads of an org.
OPEN = {"/properties/config/properties/content/properties/orgs/additionalProperties"}


def test_nothing_that_is_not_described_is_taken() -> None:
    described = objects_of(SCHEMA)
    assert len(described) > 25
    lax = {path for path, node in described if node.get("additionalProperties") is not False}
    assert lax == OPEN


def test_every_value_of_the_chart_has_a_default_and_the_other_way_round() -> None:
    told = set(SCHEMA["properties"])
    assert told == set(VALUES)
    component = SCHEMA["$defs"]["component"]["properties"]
    assert set(component) == set(VALUES["worker"])
    for part in ("drain", "autoscaling", "podDisruptionBudget", "probes"):
        assert set(component[part]["properties"]) == set(VALUES["worker"][part])
    for part in ("image", "config", "secrets", "redis", "settings", "networkPolicy", "keda"):
        assert set(SCHEMA["properties"][part]["properties"]) == set(VALUES[part])


def test_the_schema_repeats_the_services_settings() -> None:
    assert schema() == (CHART / "values.schema.json").read_text(), "run `make manifests`"


def test_every_part_of_the_file_may_stand_in_the_values() -> None:
    content = SCHEMA["properties"]["config"]["properties"]["content"]["properties"]
    assert set(content) == set(json_schema()["$defs"]["Config"]["properties"]), (
        "run `make manifests`"
    )


def test_values_do_not_change_by_being_laid_over_others() -> None:
    first = deepcopy(MATRIX["minimal"])
    merged(first, {"config": {"content": {"orgs": {"main": {"sessions": 1}}}}})
    assert first == MATRIX["minimal"]


def test_a_redis_behind_sentinels_is_one_address() -> None:
    url = "redis+sentinel://sentinel-0:26379,sentinel-1:26379/main"
    rendered = texts(merged(MATRIX["minimal"], {"redis": {"url": url}}))
    assert any(url in text for text in rendered.values())
