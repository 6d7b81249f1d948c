"""What Prometheus answers the autoscalers: the questions of the chart, put to promtool.

Debian's package `prometheus` brings it. The questions are taken as rendered; series are those of a
small fleet, one scrape after another.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.rendering import of_kind, with_minimal

PROMTOOL = os.environ.get("CALLFLEET_PROMTOOL") or shutil.which("promtool")
pytestmark = pytest.mark.skipif(
    PROMTOOL is None and os.environ.get("CI") != "true",
    reason="promtool is not installed (Debian: apt-get install prometheus)",
)

SCALED = {component: {"autoscaling": {"kind": "keda"}} for component in ("gateway", "worker")}
SCALED["analytics"] = {"autoscaling": {"kind": "keda"}}


def queries() -> dict[str, str]:
    objects = with_minimal(keda={"serverAddress": "http://prometheus:9090"}, **SCALED)
    return {
        name.removeprefix("callfleet-"): scaled["spec"]["triggers"][0]["metadata"]["query"]
        for name, scaled in of_kind(objects, "ScaledObject").items()
    }


def answer(tmp_path: Path, component: str, series: dict[str, str], wanted: float | None) -> None:
    """promtool fails, and shows what it got, unless Prometheus answers `wanted`."""
    told = [{"series": name, "values": values} for name, values in series.items()]
    samples = [] if wanted is None else [{"labels": "{}", "value": wanted}]
    test: dict[str, Any] = {
        "rule_files": [],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": told,
                "promql_expr_test": [
                    {"expr": queries()[component], "eval_time": "1m", "exp_samples": samples}
                ],
            }
        ],
    }
    file = tmp_path / "questions.yaml"
    file.write_text(yaml.safe_dump(test))
    assert PROMTOOL is not None, "CI has promtool"
    done = subprocess.run(
        [PROMTOOL, "test", "rules", str(file)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def of_pod(metric: str, pod: str, namespace: str = "voice", **labels: str) -> str:
    told = {"namespace": namespace, "pod": pod, **labels}
    pairs = ", ".join(f'{key}="{value}"' for key, value in told.items())
    return f"{metric}{{{pairs}}}"


def workers(*live: int, draining: int = -1) -> dict[str, str]:
    """Pods w-0, w-1 ... with so many calls; `draining` is the index of one that leaves."""
    series = {}
    for index, calls in enumerate(live):
        pod = f"w-{index}"
        series[of_pod("callfleet_worker_calls_live", pod)] = f"{calls}x9"
        series[of_pod("callfleet_process_draining", pod)] = f"{int(index == draining)}x9"
    return series


def slots(org: str, *, live: int, waiting: int, limit: int) -> dict[str, str]:
    """As every worker tells them: the same from each of two."""
    series = {}
    for pod in ("w-0", "w-1"):
        whose = {"org": org, "agent": "receptionist"}
        series[of_pod("callfleet_slots_live", pod, **whose)] = f"{live}x9"
        series[of_pod("callfleet_slots_waiting", pod, **whose)] = f"{waiting}x9"
        series[of_pod("callfleet_slots_limit_effective", pod, org=org)] = f"{limit}x9"
    return series


def test_busy_calls_and_waiting_ones_with_a_slot_to_come(tmp_path: Path) -> None:
    series = workers(20, 10) | slots("main", live=30, waiting=5, limit=100)
    answer(tmp_path, "worker", series, 35)


def test_the_limit_of_the_api_is_no_reason_for_workers(tmp_path: Path) -> None:
    series = workers(20, 10) | slots("main", live=30, waiting=50, limit=30)
    answer(tmp_path, "worker", series, 30)
    series = workers(20, 10) | slots("main", live=30, waiting=50, limit=33)
    answer(tmp_path, "worker", series, 33)


def test_a_lowered_limit_takes_nothing_from_running_calls(tmp_path: Path) -> None:
    series = workers(20, 10) | slots("main", live=30, waiting=50, limit=10)
    answer(tmp_path, "worker", series, 30)


def test_one_org_at_its_limit_does_not_hide_the_other(tmp_path: Path) -> None:
    full = slots("full", live=10, waiting=40, limit=10)
    roomy = slots("roomy", live=20, waiting=3, limit=100)
    answer(tmp_path, "worker", workers(20, 10) | full | roomy, 33)


def test_calls_of_a_draining_worker_leave_with_it(tmp_path: Path) -> None:
    series = workers(20, 10, draining=0) | slots("main", live=30, waiting=0, limit=100)
    answer(tmp_path, "worker", series, 10)


def test_without_redis_the_calls_still_count(tmp_path: Path) -> None:
    answer(tmp_path, "worker", workers(20, 10), 30)


def test_an_idle_fleet_is_zero_and_a_lost_one_is_nothing(tmp_path: Path) -> None:
    answer(tmp_path, "worker", workers(0, 0), 0)
    for component in queries():
        answer(tmp_path, component, {}, None)
    answer(tmp_path, "worker", slots("main", live=30, waiting=5, limit=100), None)


def test_another_namespace_is_another_fleet(tmp_path: Path) -> None:
    theirs = {of_pod("callfleet_worker_calls_live", "w-0", "other"): "99x9"}
    answer(tmp_path, "worker", workers(3) | theirs, 3)


def test_legs_of_gateways_that_stay(tmp_path: Path) -> None:
    series = {
        of_pod("callfleet_gateway_legs_live", "g-0"): "70x9",
        of_pod("callfleet_gateway_legs_live", "g-1"): "30x9",
        of_pod("callfleet_process_draining", "g-0"): "0x9",
        of_pod("callfleet_process_draining", "g-1"): "1x9",
    }
    answer(tmp_path, "gateway", series, 70)


def test_open_calls_are_counted_once_and_dead_ones_never(tmp_path: Path) -> None:
    """Each process tells the whole fleet's."""
    told = {"finished": 4, "recorded": 7, "scoring": 2, "dead": 50}
    series = {
        of_pod("callfleet_analytics_open_calls", pod, state=state): f"{count}x9"
        for pod in ("a-0", "a-1")
        for state, count in told.items()
    }
    answer(tmp_path, "analytics", series, 13)
