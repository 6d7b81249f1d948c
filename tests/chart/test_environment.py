"""The chart and the services agree on every variable, both ways."""

from typing import Any

import pytest

from callfleet.config import load_config
from callfleet.settings import describe, read
from services.config_cli import SETTINGS
from tests.chart.rendering import (
    COMPONENTS,
    MATRIX,
    as_a_process_sees_it,
    of_kind,
    of_matrix,
    pod_of,
    with_minimal,
)
from tools.manifests import DERIVED, settable

CASES = pytest.mark.parametrize("case", MATRIX)
EACH = pytest.mark.parametrize("component", COMPONENTS)
POD_FACTS = {"POD_IP"}


def knobs(component: str) -> set[str]:
    return {knob.env for knob in describe(SETTINGS[component])}


@CASES
@EACH
def test_names_are_unique(case: str, component: str) -> None:
    names = [one["name"] for one in pod_of(of_matrix(case), component).own["env"]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("case", ["minimal", "production", "existing"])
@EACH
def test_the_service_knows_every_variable_that_it_gets(case: str, component: str) -> None:
    keys_of_orgs = {"OPENAI_API_KEY", "SECOND_KEY"} if component == "worker" else set()
    given = set(pod_of(of_matrix(case), component).env)
    assert given - knobs(component) - keys_of_orgs - POD_FACTS == set()


@EACH
def test_the_chart_can_set_every_variable_that_the_service_knows(component: str) -> None:
    given = set(pod_of(of_matrix("minimal"), component).env)
    reachable = given | set(settable(SETTINGS[component])) | {"CALLFLEET_WORKER_ID"}
    assert knobs(component) - reachable == set()
    assert {name for name in DERIVED if name in knobs(component)} - given <= {"CALLFLEET_WORKER_ID"}


@CASES
@EACH
def test_the_service_starts_with_what_it_gets(case: str, component: str) -> None:
    address = "fd00::1" if MATRIX[case].get("ipFamily") == "IPv6" else "10.1.2.3"
    environ = as_a_process_sees_it(pod_of(of_matrix(case), component), address)
    settings: Any = read(SETTINGS[component], environ)
    assert settings.drain_timeout_s == float(environ["CALLFLEET_DRAIN_TIMEOUT_S"])
    assert settings.config_path == "/etc/callfleet/callfleet.yaml"
    assert settings.private_port == 9090


def test_gateways_dial_the_pod_itself() -> None:
    told = as_a_process_sees_it(pod_of(of_matrix("minimal"), "worker"))
    assert told["CALLFLEET_WORKER_URL"] == "ws://10.1.2.3:8081/link"
    told = as_a_process_sees_it(pod_of(of_matrix("everything"), "worker"), "fd00::1")
    assert told["CALLFLEET_WORKER_URL"] == "ws://[fd00::1]:8081/link"
    assert told["CALLFLEET_WORKER_HOST"] == "::"


def test_a_restarted_container_is_another_worker() -> None:
    """Its name in the roster is the process' own: the pod's would be its dead predecessor's."""
    for case in MATRIX:
        assert "CALLFLEET_WORKER_ID" not in pod_of(of_matrix(case), "worker").env


def test_the_strongest_word_wins() -> None:
    pod = pod_of(of_matrix("everything"), "worker")
    assert pod.env["CALLFLEET_LOG_FORMAT"]["value"] == "plain", "extraEnv over settings.shared"
    assert pod.env["BIG"]["value"] == "1000000", "as written, not 1e+06"
    pod = pod_of(of_matrix("production"), "worker")
    assert pod.env["CALLFLEET_LOG_LEVEL"]["value"] == "warning"
    assert pod.env["CALLFLEET_WORKER_SLOTS"]["value"] == "100"
    assert "CALLFLEET_WORKER_SLOTS" not in pod_of(of_matrix("production"), "gateway").env


def test_every_secret_has_an_address() -> None:
    def secret(component: str, env: str) -> Any:
        return pod_of(of_matrix("production"), component).env[env]["valueFrom"]["secretKeyRef"]

    assert secret("analytics", "DATABASE_URL") == {"name": "postgres-app", "key": "uri"}
    assert secret("worker", "SECOND_KEY") == {"name": "second-org", "key": "key"}
    assert secret("worker", "OPENAI_API_KEY") == {"name": "callfleet", "key": "OPENAI_API_KEY"}
    for case in MATRIX:
        for component in COMPONENTS:
            env = pod_of(of_matrix(case), component).env
            hidden = {knob.env for knob in describe(SETTINGS[component]) if knob.secret}
            assert {name for name in hidden if "valueFrom" not in env[name]} == set()


def test_the_migrations_get_the_same_database() -> None:
    objects = of_matrix("production")
    (job,) = of_kind(objects, "Job").values()
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (database,) = container["env"]
    assert database == pod_of(objects, "analytics").env["DATABASE_URL"]
    assert container["args"] == ["analytics", "--migrate"]


def test_the_file_arrives_as_it_was_written() -> None:
    content = {
        "orgs": {"main": {"sessions": 1000000, "queue": {"max_wait_s": 2.5}}},
        "agents": {"a": {"org": "main", "instructions": "Two lines,\nand a colon: so.\n"}},
        "numbers": {"+15551230001": "a"},
    }
    (config,) = of_kind(with_minimal(config={"content": content}), "ConfigMap").values()
    loaded = load_config(config["data"]["callfleet.yaml"])
    assert loaded.orgs["main"].sessions == 1000000
    assert loaded.orgs["main"].queue.max_wait_s == 2.5
    assert loaded.agents["a"].instructions == "Two lines,\nand a colon: so.\n"
    (everything, *_) = of_kind(of_matrix("everything"), "ConfigMap").values()
    assert everything["data"]["note.txt"] == 'Two lines,\nand a "quote".'
    assert everything["binaryData"] == {"hold.ulaw": "/////w=="}
