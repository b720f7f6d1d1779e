"""A pod that its node loses is made again, and leaves one version; a job that fails is not tried again."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from argo.compile import Cluster, Kind, Origin, Security, compile
from argo.language import load
from job.datasets import DatasetRef
from tests.cluster.kubernetes import Namespace, kubectl, until

pytestmark = pytest.mark.cluster

WORKFLOW = """\
jobs:
  long:
    uses: script@v1
    outputs: {data: {type: dataset, with: {ref: long}}}
    with: {image: 'debian:12', script: 'sleep 20; echo text > /outputs/data/file'}
  failing:
    uses: script@v1
    outputs: {data: {type: dataset, with: {ref: failing}}}
    with: {image: 'debian:12', script: 'exit 143'}
"""


def test_a_lost_pod_costs_a_new_one_and_a_failure_does_not(restricted: Namespace, tmp_path: Path) -> None:
    file = tmp_path / "lost.yaml"
    file.write_text(WORKFLOW, "utf-8")
    cluster = Cluster(security=Security.RESTRICTED, scale=Fraction(1, 16))
    run = restricted.create(compile(load(file), Kind.WORKFLOW, cluster, Origin(file.name)))

    def running() -> dict[str, Any] | None:
        return next((pod for pod in _pods(restricted, run, "long") if _main_runs(pod)), None)

    first = until(running, "main to run", 120)["metadata"]
    kubectl("-n", restricted.name, "delete", "pod", first["name"], "--grace-period=1")
    nodes = restricted.ended(run)["status"]["nodes"].values()
    assert {node["displayName"]: node["phase"] for node in nodes if node["type"] == "Retry"} == {
        "long": "Succeeded",
        "failing": "Failed",
    }
    assert [pod["metadata"]["uid"] == first["uid"] for pod in _pods(restricted, run, "long")] == [False]
    assert len(_pods(restricted, run, "failing")) == 1
    assert len(list(restricted.datasets.versions(DatasetRef("long")))) == 1


def _pods(namespace: Namespace, run: str, job: str) -> list[dict[str, Any]]:
    wanted = f"workflows.argoproj.io/workflow={run},textgen/job={job}"
    found = json.loads(kubectl("-n", namespace.name, "get", "pods", "-l", wanted, "-o", "json"))
    pods: list[dict[str, Any]] = found["items"]
    return pods


def _main_runs(pod: dict[str, Any]) -> bool:
    containers = pod["status"].get("containerStatuses", ())
    return any(each["name"] == "main" and "running" in each["state"] for each in containers)
