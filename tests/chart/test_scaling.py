"""Autoscalers ask for what exists, in words Prometheus understands, and let go slowly."""

import re
from typing import Any

import promql_parser
import pytest
from prometheus_client import REGISTRY

from callfleet import service_metrics, slots_metrics
from services.analytics import metrics as analytics
from services.gateway import metrics as gateway
from services.worker import metrics as worker
from tests.chart.rendering import (
    COMPONENTS,
    MATRIX,
    Object,
    deployments,
    of_kind,
    of_matrix,
    render,
    with_minimal,
)

# Importing them registered every metric there is.
REGISTERED = (service_metrics, slots_metrics, gateway, worker, analytics)
KEDA = {"keda": {"serverAddress": "http://prometheus:9090"}}


def scaled(component: str, objects: list[Object]) -> Object:
    spec: Object = of_kind(objects, "ScaledObject")[f"callfleet-{component}"]["spec"]
    return spec


def query_of(component: str, objects: list[Object]) -> str:
    (trigger,) = scaled(component, objects)["triggers"]
    query: str = trigger["metadata"]["query"]
    return query


def worker_with(**autoscaling: Any) -> list[Object]:
    return with_minimal(**KEDA, worker={"autoscaling": {"kind": "keda", **autoscaling}})


@pytest.mark.parametrize("case", MATRIX)
def test_who_scales_says_how_many(case: str) -> None:
    """With replicas in the Deployment, every upgrade would undo the autoscaler's number."""
    objects = of_matrix(case)
    for component, deployment in deployments(objects).items():
        name = deployment["metadata"]["name"]
        scalers = [
            one["spec"]["scaleTargetRef"]["name"]
            for kind in ("HorizontalPodAutoscaler", "ScaledObject")
            for one in of_kind(objects, kind).values()
        ]
        assert (name in scalers) == ("replicas" not in deployment["spec"]), component
        assert scalers.count(name) <= 1


@pytest.mark.parametrize("component", COMPONENTS)
def test_prometheus_understands_the_question(component: str) -> None:
    for objects in (of_matrix("production"), worker_with(cap=70), worker_with()):
        if f"callfleet-{component}" in of_kind(objects, "ScaledObject"):
            promql_parser.parse(query_of(component, objects))


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_metric_exists(component: str) -> None:
    assert len(REGISTERED) == 5
    exist = {family.name for family in REGISTRY.collect()}
    asked = set(re.findall(r"callfleet_\w+", query_of(component, of_matrix("production"))))
    assert asked and asked <= exist
    for scaler in of_kind(of_matrix("everything"), "HorizontalPodAutoscaler").values():
        for metric in scaler["spec"]["metrics"]:
            name = metric.get("pods", {}).get("metric", {}).get("name")
            assert name in exist or metric.get("resource", {}).get("name") == "cpu"


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_lost_prometheus_is_not_a_quiet_night(component: str) -> None:
    spec = scaled(component, of_matrix("production"))
    (trigger,) = spec["triggers"]
    assert trigger["metadata"]["ignoreNullValues"] == "false"
    assert trigger["metricType"] == "AverageValue"
    assert spec["fallback"] == {
        "failureThreshold": 3,
        "replicas": 6,
        "behavior": "currentReplicasIfHigher",
    }
    defaulted = scaled("worker", worker_with(minReplicas=4))["fallback"]
    assert defaulted["replicas"] == 4


def test_the_calls_themselves_are_never_made_up() -> None:
    """`or vector(0)` on them would turn a lost Prometheus into zero calls."""
    query = query_of("worker", worker_with())
    calls, waiting = query.split(" + ")
    assert calls.startswith("sum(callfleet_worker_calls_live{") and "vector" not in calls
    assert waiting.endswith("or vector(0))")


def test_draining_pods_count_on_neither_side() -> None:
    for component in ("worker", "gateway"):
        query = query_of(component, of_matrix("production"))
        assert "unless on (namespace, pod) (callfleet_process_draining{" in query


def test_the_target_follows_the_slots() -> None:
    def threshold(objects: list[Object]) -> str:
        (trigger,) = scaled("worker", objects)["triggers"]
        told: str = trigger["metadata"]["threshold"]
        return told

    assert threshold(worker_with()) == "30", "60 % of 50"
    assert threshold(of_matrix("production")) == "60", "60 % of 100"
    assert threshold(worker_with(target=12)) == "12"
    single = {"settings": {"worker": {"CALLFLEET_WORKER_SLOTS": 1}}}
    one = with_minimal(**KEDA, **single, worker={"autoscaling": {"kind": "keda"}})
    assert threshold(one) == "1"


def test_only_this_releases_namespace_is_counted_or_what_was_asked_for() -> None:
    assert query_of("worker", worker_with()).count('{namespace="voice"}') == 7
    other = {"keda": {**KEDA["keda"], "matchers": 'namespace="voice", release="blue"'}}
    objects = with_minimal(**other, worker={"autoscaling": {"kind": "keda"}})
    assert 'callfleet_worker_calls_live{namespace="voice", release="blue"}' in query_of(
        "worker", objects
    )


def test_a_cap_and_a_question_of_ones_own() -> None:
    assert query_of("worker", worker_with(cap=1000000)).endswith(", 1000000)")
    assert query_of("worker", worker_with(query="sum(mine)")) == "sum(mine)"


@pytest.mark.parametrize("kind", ["hpa", "keda"])
def test_one_at_a_time_after_ten_quiet_minutes(kind: str) -> None:
    each = {component: {"autoscaling": {"kind": kind}} for component in COMPONENTS}
    objects = render({**MATRIX["minimal"], **KEDA, **each})
    for component in COMPONENTS:
        if kind == "keda":
            advanced = scaled(component, objects)["advanced"]
            behaviour = advanced["horizontalPodAutoscalerConfig"]["behavior"]
        else:
            scalers = of_kind(objects, "HorizontalPodAutoscaler")
            behaviour = scalers[f"callfleet-{component}"]["spec"]["behavior"]
        assert behaviour["scaleDown"] == {
            "stabilizationWindowSeconds": 600,
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
        }
        assert behaviour["scaleUp"]["stabilizationWindowSeconds"] <= 60
