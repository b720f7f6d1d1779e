"""What kubectl makes of the overlays, and that it fits what is compiled and what the commands do."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from argo import kubernetes_names
from argo.cli.compile import command as compiling
from argo.cluster.preflight import permissions
from argo.compile import ClusterConfig, FileOrigin, Kind
from argo.compile.cluster_config import load_cluster_config
from argo.compile.workflow import build
from argo.language import load

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
FILE = ".gradient/workflows/nlp-text-generation.yaml"
AGAIN = ["--kind", "template", "-p", "github-url=", "-p", "github-ref="]
OVERLAYS = ("base", "overlays/try", "overlays/s3", "overlays/restricted")

Object = dict[str, Any]


def rendered(overlay: str) -> list[Object]:
    if not shutil.which("kubectl"):
        pytest.skip("no kubectl on PATH, whose kustomize puts an overlay together")
    words = ["kubectl", "kustomize", str(K8S / overlay)]
    found = subprocess.run(words, capture_output=True, text=True, check=True, timeout=300)
    return list(yaml.safe_load_all(found.stdout))


def named(objects: list[Object], kind: str, name: str) -> Object:
    return next(each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name))


def template(given: ClusterConfig) -> Object:
    """This repository's own workflow, of no repository in particular: a run says which."""
    return build(load(ROOT / FILE), Kind.TEMPLATE, given, FileOrigin(FILE))


@pytest.mark.parametrize("folder", ["base", "overlays/try"])
def test_the_template_is_what_the_compiler_makes(folder: str) -> None:
    cluster = K8S / folder / "cluster.yaml"
    options = ["--cluster", str(cluster)] if cluster.exists() else ["--security", "restricted"]
    words = [*AGAIN, *options, "-o", str(K8S / folder / "workflow-template.yaml"), "--check"]
    compiling.main([str(ROOT / FILE), *words], standalone_mode=False)


def test_the_template_of_try_is_what_its_cluster_configuration_makes() -> None:
    made = template(load_cluster_config(K8S / "overlays/try/cluster.yaml"))
    found = named(rendered("overlays/try"), "WorkflowTemplate", "nlp-text-generation")
    assert found["spec"] == made["spec"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_has_what_runs_refer_to(overlay: str) -> None:
    objects = rendered(overlay)
    named(objects, "ServiceAccount", kubernetes_names.SERVICE_ACCOUNT)
    named(objects, "ServiceAccount", kubernetes_names.EXECUTOR_ACCOUNT)
    repositories = named(objects, "ConfigMap", kubernetes_names.ARTIFACT_REPOSITORIES)["data"]
    assert yaml.safe_load(repositories[kubernetes_names.ARTIFACT_REPOSITORY]) == {"archiveLogs": False}
    url = named(objects, "ConfigMap", kubernetes_names.STORE)["data"]["url"]
    earlier = yaml.safe_load(repositories["textgen"])  # of Workflows that an earlier release compiled
    assert url.startswith(f"s3://{earlier['s3']['bucket']}/")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pod_security_is_enforced_and_the_next_standard_warned_of(overlay: str) -> None:
    labels = named(rendered(overlay), "Namespace", "textgen")["metadata"]["labels"]
    level = "restricted" if overlay.endswith("restricted") else "baseline"
    assert labels["pod-security.kubernetes.io/enforce"] == level
    assert labels["pod-security.kubernetes.io/warn"] == "restricted"


def test_the_policy_holds_in_the_restricted_namespace_for_the_images_that_run() -> None:
    objects = rendered("overlays/restricted")
    (binding,) = [
        each
        for each in objects
        if each["metadata"]["name"] == "textgen-credentials" and "Binding" in each["kind"]
    ]
    metadata = named(objects, "Namespace", "textgen")["metadata"]
    selector = binding["spec"]["matchResources"]["namespaceSelector"]["matchLabels"]
    assert selector.items() <= metadata["labels"].items()
    template = named(objects, "WorkflowTemplate", "nlp-text-generation")["spec"]["templates"][1]
    images = {each["image"] for each in template["initContainers"]}
    assert images == {metadata["annotations"]["textgen/image"]}
    trigger = yaml.safe_load((K8S / "overlays/trigger/template.yaml").read_text("utf-8"))
    assert (
        metadata["annotations"]["textgen/trigger-image"]
        == trigger["spec"]["templates"][0]["container"]["image"]
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_role_reaches_secrets_or_uses_a_wildcard(overlay: str) -> None:
    for each in rendered(overlay):
        assert each["kind"] not in {"ClusterRole", "ClusterRoleBinding"}
        for rule in each.get("rules") or ():
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
            assert "secrets" not in rule["resources"]


def test_the_submitters_role_is_enough_to_submit() -> None:
    document = yaml.safe_load((K8S / "base/submitter.yaml").read_text("utf-8"))
    assert set(permissions._NEEDED) <= set(_granted(document))


def _granted(role: Object) -> Iterator[tuple[str, str, str]]:
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                yield from ((group, resource, verb) for verb in rule["verbs"])
