"""What no schema says: restricted pods, names that meet, calls that outlive roll-outs."""

from typing import Any

import pytest
import yaml

from services.gateway import webhooks
from tests.chart.rendering import (
    COMPONENTS,
    MATRIX,
    Object,
    component_of,
    deployments,
    merged,
    of_kind,
    of_matrix,
    pod_of,
    pods,
    render,
    texts,
    with_minimal,
)

CASES = pytest.mark.parametrize("case", MATRIX)
STOP_LIMIT_S = 10  # what a process takes to close what is left, at most


@CASES
def test_every_pod_would_be_admitted_as_restricted(case: str) -> None:
    for pod in pods(of_matrix(case)):
        spec = pod.spec
        assert spec["securityContext"]["runAsNonRoot"] is True, pod.name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, pod.name
        assert spec["automountServiceAccountToken"] is False, pod.name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), pod.name
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, pod.name
            assert context["readOnlyRootFilesystem"] is True, pod.name
            assert context["runAsNonRoot"] is True, pod.name
            assert context["capabilities"] == {"drop": ["ALL"]}, pod.name
        allowed = {"configMap", "emptyDir", "secret"}
        assert all(set(volume) - {"name"} <= allowed for volume in spec.get("volumes", []))


@CASES
def test_service_links_never_become_settings(case: str) -> None:
    """A Service named callfleet-gateway would be CALLFLEET_GATEWAY_PORT=tcp://..."""
    assert all(pod.spec["enableServiceLinks"] is False for pod in pods(of_matrix(case)))


@CASES
def test_resources_are_asked_for_and_memory_is_bounded(case: str) -> None:
    for pod in pods(of_matrix(case)):
        resources = pod.own["resources"]
        assert {"cpu", "memory"} <= set(resources["requests"]), pod.name
        assert "memory" in resources["limits"] and "cpu" not in resources["limits"], pod.name


@CASES
def test_selectors_meet_their_pods_and_only_those(case: str) -> None:
    objects = of_matrix(case)
    found = {component_of(one): one for one in of_kind(objects, "Deployment").values()}
    for name, deployment in found.items():
        selector = deployment["spec"]["selector"]["matchLabels"]
        assert set(selector) == {
            f"app.kubernetes.io/{k}" for k in ("name", "instance", "component")
        }
        for other, its in found.items():
            labels = its["spec"]["template"]["metadata"]["labels"]
            assert (selector.items() <= labels.items()) == (other == name)
    for kind, at in (("Service", ()), ("PodDisruptionBudget", ("matchLabels",))):
        for thing in of_kind(objects, kind).values():
            selector = thing["spec"]["selector"]
            for key in at:
                selector = selector[key]
            labels = found[component_of(thing)]["spec"]["template"]["metadata"]["labels"]
            assert selector.items() <= labels.items()


def test_selectors_never_change() -> None:
    """They are immutable: what a release was installed with must hold for its upgrades."""
    wanted = {"name": "callfleet", "instance": "callfleet"}
    for component, deployment in deployments(of_matrix("minimal")).items():
        selector = deployment["spec"]["selector"]["matchLabels"]
        told = {f"app.kubernetes.io/{key}": value for key, value in wanted.items()}
        assert selector == {**told, "app.kubernetes.io/component": component}
        assert deployment["metadata"]["name"] == f"callfleet-{component}"


def test_two_releases_share_nothing() -> None:
    first, second = (render(MATRIX["minimal"], name=name) for name in ("callfleet", "other"))
    named = [
        {(one["kind"], one["metadata"]["name"]) for one in objects} for objects in (first, second)
    ]
    assert not named[0] & named[1]
    theirs = deployments(second)["gateway"]["spec"]["template"]["metadata"]["labels"]
    for service in of_kind(first, "Service").values():
        assert not service["spec"]["selector"].items() <= theirs.items()


@CASES
def test_calls_have_their_time_before_a_pod_is_killed(case: str) -> None:
    for component in COMPONENTS:
        pod = pod_of(of_matrix(case), component)
        drain_s = int(pod.env["CALLFLEET_DRAIN_TIMEOUT_S"]["value"])
        pre_stop_s = pod.own["lifecycle"]["preStop"]["sleep"]["seconds"]
        grace_s = pod.spec["terminationGracePeriodSeconds"]
        assert grace_s >= drain_s + pre_stop_s + STOP_LIMIT_S, component
        assert pre_stop_s >= 1


def test_one_value_says_how_long_calls_may_take() -> None:
    pod = pod_of(with_minimal(worker={"drain": {"timeoutSeconds": 7200}}), "worker")
    assert pod.env["CALLFLEET_DRAIN_TIMEOUT_S"]["value"] == "7200"
    assert pod.spec["terminationGracePeriodSeconds"] == 7200 + 5 + 30


@CASES
def test_a_roll_out_never_takes_a_pod_before_its_successor_is_ready(case: str) -> None:
    for deployment in deployments(of_matrix(case)).values():
        rolling = deployment["spec"]["strategy"]["rollingUpdate"]
        assert rolling["maxUnavailable"] == 0 and rolling["maxSurge"] != 0


@CASES
def test_probes_ask_the_private_port(case: str) -> None:
    for component in COMPONENTS:
        pod = pod_of(of_matrix(case), component)
        ports = {port["name"]: port["containerPort"] for port in pod.own["ports"]}
        assert str(ports["private"]) == pod.env["CALLFLEET_PRIVATE_PORT"]["value"]
        asked = {
            name: (pod.own[name]["httpGet"]["path"], pod.own[name]["httpGet"]["port"])
            for name in ("startupProbe", "livenessProbe", "readinessProbe")
        }
        assert asked == {
            "startupProbe": ("/healthz", "private"),
            "livenessProbe": ("/healthz", "private"),
            "readinessProbe": ("/readyz", "private"),
        }


@CASES
def test_every_port_that_is_named_exists(case: str) -> None:
    objects = of_matrix(case)
    found = {component_of(one): one for one in of_kind(objects, "Deployment").values()}
    for service in of_kind(objects, "Service").values():
        (container, *_) = found[component_of(service)]["spec"]["template"]["spec"]["containers"]
        names = {port["name"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names
    private = {
        port["name"]
        for one in of_kind(objects, "Service").values()
        for port in one["spec"]["ports"]
    }
    for kind, key in (("PodMonitor", "podMetricsEndpoints"), ("ServiceMonitor", "endpoints")):
        for monitor in of_kind(objects, kind).values():
            assert {endpoint["port"] for endpoint in monitor["spec"][key]} <= private


def test_only_gateways_reach_the_link() -> None:
    policies = of_kind(of_matrix("production"), "NetworkPolicy")
    worker = policies["callfleet-worker"]["spec"]
    (link,) = [rule for rule in worker["ingress"] if rule["ports"][0]["port"] == "link"]
    (peer,) = link["from"]
    gateway = deployments(of_matrix("production"))["gateway"]["spec"]["selector"]["matchLabels"]
    assert peer == {"podSelector": {"matchLabels": gateway}}
    assert all(rule.get("from") for rule in worker["ingress"]), "nobody else, from anywhere"
    assert set(policies) == {f"callfleet-{component}" for component in COMPONENTS}


def test_only_the_carriers_paths_are_let_in() -> None:
    (route,) = of_kind(of_matrix("production"), "HTTPRoute").values()
    (rule,) = route["spec"]["rules"]
    assert [match["path"]["value"] for match in rule["matches"]] == ["/twilio", "/media"]
    assert route["spec"]["hostnames"] == ["voice.example.com"]
    (ingress,) = of_kind(of_matrix("everything"), "Ingress").values()
    (host,) = ingress["spec"]["rules"]
    assert [path["path"] for path in host["http"]["paths"]] == ["/twilio", "/media"]
    served = [value for name, value in vars(webhooks).items() if name.endswith("_PATH")]
    assert len(served) >= 4
    assert [path for path in served if not path.startswith(("/twilio/", "/media/"))] == []


@CASES
def test_secrets_are_only_referred_to(case: str) -> None:
    objects = of_matrix(case)
    assert not of_kind(objects, "Secret")
    for config in of_kind(objects, "ConfigMap").values():
        text = yaml.safe_dump(config)
        assert "CALLFLEET_SECRET" not in text and "TOKEN" not in text and "sk-" not in text


def test_a_change_of_the_file_rolls_the_pods_and_nothing_else_does() -> None:
    def told(**values: Any) -> Any:
        return pod_of(with_minimal(**values), "worker").metadata["annotations"]["checksum/config"]

    agents = {"receptionist": {"org": "main", "instructions": "Be brief."}}
    assert told() == told(worker={"replicas": 7}, commonLabels={"team": "voice"})
    assert told() != told(config={"content": {"agents": agents}})
    assert told() != told(config={"binaryFiles": {"hold.ulaw": "/////w=="}})


def test_the_charts_own_version_moves_no_call() -> None:
    pod: Object = pod_of(of_matrix("minimal"), "worker").metadata
    assert "helm.sh/chart" not in pod["labels"]


def test_extra_objects_are_templates() -> None:
    names = set(of_kind(of_matrix("everything"), "ConfigMap"))
    assert {"callfleet-more", "phone-calls-text"} <= names


def test_the_notes_say_when_workers_are_too_few() -> None:
    def notes(**values: Any) -> str:
        return texts(merged(MATRIX["minimal"], values))["callfleet/templates/NOTES.txt"]

    many = {"config": {"content": {"orgs": {"main": {"sessions": 101}}}}}
    assert "allow 101 sessions, its workers have room for 100 calls" in notes(**many)
    assert "sessions" not in notes(**many, worker={"replicas": 3})
    assert "create secret generic callfleet" in notes() and "helm test callfleet" in notes()


def test_only_the_dev_redis_is_ours() -> None:
    images = {pod.own["image"] for pod in pods(of_matrix("production"))}
    assert images == {f"registry.example.com/voice/callfleet@sha256:{'0123456789abcdef' * 4}"}
    assert "callfleet-redis" not in of_kind(of_matrix("production"), "Deployment")
    dev = render(merged(MATRIX["minimal"], {"redis": {"dev": {"enabled": True}}}))
    assert pod_of(dev, "worker").env["REDIS_URL"]["value"] == "redis://callfleet-redis:6379/0"
    assert set(of_kind(dev, "Deployment")) >= {"callfleet-redis"}
