"""kubectl's files are the chart's, and what is edited there meets what it edits."""

import tomllib
from typing import Any

import yaml

from callfleet.config import load_config
from tests.chart.rendering import CHART, ROOT
from tools.manifests import MANIFESTS, manifests

OURS = "callfleet"


def loaded(name: str) -> Any:
    return yaml.safe_load((MANIFESTS / name).read_text())


def objects() -> dict[tuple[str, str], Any]:
    found = {}
    for name in loaded("base/kustomization.yaml")["resources"]:
        for thing in yaml.safe_load_all((MANIFESTS / "base" / name).read_text()):
            found[thing["kind"], thing["metadata"]["name"]] = thing
    return found


def test_they_are_the_chart_rendered() -> None:
    wanted = manifests()
    there = {path: path.read_text() for path in (MANIFESTS / "base").glob("*.yaml")}
    assert there == wanted, "run `make manifests`"
    assert len(wanted) > 6


def test_every_patch_meets_what_it_patches() -> None:
    """Strategic merge adds what it does not find: a misspelt name would go unnoticed."""
    there = objects()
    patches = loaded("kustomization.yaml")["patches"]
    assert len(patches) == 2
    for one in patches:
        patch = yaml.safe_load(one["patch"])
        # Without a target kustomize looks in the patch's own namespace, and finds nothing.
        assert one["target"] == {"kind": patch["kind"], "name": patch["metadata"]["name"]}
        target = there[patch["kind"], patch["metadata"]["name"]]
        (ours,) = target["spec"]["template"]["spec"]["containers"]
        (theirs,) = patch["spec"]["template"]["spec"]["containers"]
        assert theirs["name"] == ours["name"]
        env = {one["name"]: one["value"] for one in ours["env"] if "value" in one}
        assert theirs["env"] == [
            {"name": e["name"], "value": env[e["name"]]} for e in theirs["env"]
        ]


def test_the_generated_file_is_the_mounted_one() -> None:
    top = loaded("kustomization.yaml")
    (generator,) = top["configMapGenerator"]
    for kind, name in objects():
        if kind == "Deployment":
            volumes = objects()[kind, name]["spec"]["template"]["spec"]["volumes"]
            assert volumes[0]["configMap"]["name"] == generator["name"]
    (file,) = generator["files"]
    assert load_config((MANIFESTS / file).read_text()).numbers


def test_the_image_is_the_one_that_is_renamed() -> None:
    (image,) = loaded("kustomization.yaml")["images"]
    used = set()
    for thing in objects().values():
        template = thing["spec"].get("template") if "spec" in thing else None
        used |= {one["image"] for one in template["spec"]["containers"]} if template else set()
    assert used == {f"{image['name']}:{image['newTag']}"}


def test_the_namespace_holds_the_pods_to_what_they_promise() -> None:
    labels = loaded("namespace.yaml")["metadata"]["labels"]
    assert labels == {"pod-security.kubernetes.io/enforce": "restricted"}
    top = loaded("kustomization.yaml")
    assert top["namespace"] == loaded("namespace.yaml")["metadata"]["name"] == OURS


def test_nobody_is_told_that_helm_manages_them() -> None:
    text = "".join(path.read_text() for path in (MANIFESTS / "base").glob("*.yaml"))
    assert "helm.sh/" not in text and "Helm" not in text
    job = objects()["Job", "callfleet-migrations"]
    assert "annotations" not in job["metadata"]


def test_one_version_everywhere() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    (image,) = loaded("kustomization.yaml")["images"]
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert {chart["version"], chart["appVersion"], image["newTag"]} == {wanted}
    assert compose["services"]["gateway"]["image"] == f"callfleet:{wanted}"
