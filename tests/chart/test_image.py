"""The image and the one-host file keep the same promises as the chart."""

import re
from typing import Any

import pytest
import yaml

from callfleet.settings import describe
from services.cli import COMMANDS
from services.config_cli import SETTINGS
from tests.chart.rendering import ROOT, of_matrix, pods

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
OURS = ("gateway", "worker", "analytics", "migrations")


def test_every_package_is_pinned_by_hash() -> None:
    installs = re.findall(r"pip (?:install|wheel) ([^\n\\]*)", DOCKERFILE)
    assert len(installs) == 4
    for install in installs:
        assert "--require-hashes" in install or "--no-deps" in install
    for name in ("requirements.txt", "requirements-build.txt"):
        lines = [line for line in (ROOT / name).read_text().splitlines() if "==" in line]
        assert len(lines) > 3 and all(line.endswith("\\") for line in lines), "a hash follows"


def test_the_image_starts_what_the_chart_names() -> None:
    assert 'ENTRYPOINT ["callfleet"]' in DOCKERFILE
    started = {pod.own["args"][0] for pod in pods(of_matrix("production")) if "args" in pod.own}
    ours = {word for word in started if not word.startswith("\n") and " " not in word}
    assert ours - {"import"} and ours <= set(COMMANDS)


def test_the_image_is_nobody() -> None:
    users = re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE)
    assert users == ["10001:10001"]
    for pod in pods(of_matrix("minimal")):
        assert pod.spec["securityContext"]["runAsUser"] == 10001
    assert DOCKERFILE.index("USER ") > DOCKERFILE.rindex("FROM ")


def test_the_context_holds_only_what_the_image_is_made_of() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    kept = {line[1:] for line in lines if line.startswith("!")}
    copied = set(re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE))
    assert kept == {word for line in copied for word in line.split()}
    assert all((ROOT / name).exists() for name in kept)


@pytest.mark.parametrize("name", OURS)
def test_containers_are_restricted(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", ["gateway", "worker", "analytics"])
def test_every_variable_is_one_the_service_knows_and_needs(name: str) -> None:
    given: dict[str, Any] = COMPOSE["services"][name]["environment"]
    knobs = {knob.env: knob for knob in describe(SETTINGS[name])}
    assert set(given) - set(knobs) - {"OPENAI_API_KEY"} == set()
    assert {env for env, knob in knobs.items() if knob.default is None} <= set(given)
    for env in given:
        if env in knobs and knobs[env].secret:
            assert given[env].startswith(f"${{{env}:?"), "asked for, never defaulted"


@pytest.mark.parametrize("name", ["gateway", "worker", "analytics"])
def test_calls_finish_before_a_container_goes(name: str) -> None:
    service = COMPOSE["services"][name]
    grace_s = int(service["stop_grace_period"].removesuffix("s"))
    assert grace_s >= int(service["environment"]["CALLFLEET_DRAIN_TIMEOUT_S"]) + 15


def test_only_the_gateway_is_reached_from_outside() -> None:
    assert [name for name, one in COMPOSE["services"].items() if "ports" in one] == ["gateway"]
