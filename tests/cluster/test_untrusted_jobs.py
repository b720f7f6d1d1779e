"""A job that looks for credentials everywhere comes back with nothing, and what it did changes no result."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from argo.compile import ClusterConfig, FileOrigin, Kind, Security, render
from argo.compile.workflow import build
from argo.language import load
from job.datasets import DatasetRef
from tests.cluster import hostile_job
from tests.cluster.kubernetes import BUCKET, Namespace, kubectl, until
from tests.faults.component import are_own

pytestmark = pytest.mark.cluster

CANARY = "canary-of-the-secret-as-a-whole"


def run_hostile_job(namespace: Namespace, security: Security, folder: Path, dataset: str) -> dict[str, Any]:
    """The Workflow of the job when it has ended."""
    canary = {"stringData": {"CANARY": CANARY}}
    kubectl("-n", namespace.name, "patch", "secret", "textgen-store", "-p", json.dumps(canary))
    address = "jsonpath={.items[0].status.addresses[0].address}"
    text = (
        hostile_job.WORKFLOW.replace("DATASET", dataset)
        .replace("NODE", kubectl("get", "nodes", "-o", address))
        .replace("ENDPOINT", os.environ["S3_ENDPOINT"])
        .replace("BUCKET", BUCKET)
        .replace("NAMESPACE", namespace.name)
    )
    file = folder / "steals.yaml"
    file.write_text(text, "utf-8")
    cluster = ClusterConfig(security=security)
    document = build(load(file), Kind.WORKFLOW, cluster, FileOrigin(file.name))
    for template in document["spec"]["templates"]:  # a small node
        for container in template.get("containerSet", {}).get("containers", ()):
            container["resources"]["requests"] = {"cpu": "50m", "memory": "64Mi"}
    return namespace.ended(namespace.create(render(document, file.name)))


def list_readable(namespace: Namespace, workflow: dict[str, Any], s3: Any) -> Iterator[tuple[str, str]]:
    """All that the job could have brought its findings to, by name."""
    yield "the Workflow", json.dumps(workflow)
    for pod in namespace.pods(workflow["metadata"]["name"], "steals"):
        name = pod["metadata"]["name"]
        yield f"pod {name}", json.dumps(pod["status"])
        for container in ("main", "commit", "wait", "store", "init", "inputs"):
            log = kubectl("-n", namespace.name, "logs", name, "-c", container, check=False)
            yield f"log of {container}", log
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{namespace.name}/"):
        for each in page.get("Contents", ()):
            body = s3.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
            yield each["Key"], body.decode("utf-8", "replace")


def assert_nothing_was_found(
    namespace: Namespace, workflow: dict[str, Any], s3: Any, dataset: str, folder: Path
) -> None:
    readable = dict(list_readable(namespace, workflow, s3))
    secrets = {os.environ["AWS_SECRET_ACCESS_KEY"], CANARY, "eyJ"}  # the last is how a token begins
    found = {place: secret for place, text in readable.items() for secret in secrets if secret in text}
    assert not found
    log = readable["log of main"]
    assert "--- argoexec is replaced" in log
    # whether `commit` starts before the job has replaced its executor is a race; it has nothing either way
    assert "--- running in a container" in log or "--- no container has started since" in log
    assert "AWS_" not in log
    assert log.count("--- refused") == hostile_job.REQUESTS
    assert "--- got" not in log
    assert workflow["status"]["phase"] == "Succeeded"
    version = namespace.datasets.resolve(DatasetRef(dataset))
    (node,) = [each for each in workflow["status"]["nodes"].values() if each["type"] == "Pod"]
    assert node["outputs"]["parameters"][0]["value"] == str(version)
    namespace.datasets.fetch(version, folder / "fetched")
    assert [path.name for path in (folder / "fetched").iterdir()] == ["file"]


def test_a_hostile_job_finds_nothing_as_root(baseline: Namespace, cluster_s3: Any, tmp_path: Path) -> None:
    workflow = run_hostile_job(baseline, Security.BASELINE, tmp_path, "stolen")
    assert_nothing_was_found(baseline, workflow, cluster_s3, "stolen", tmp_path)


def test_a_hostile_job_finds_nothing_as_the_user_of_the_other_containers(
    restricted: Namespace, cluster_s3: Any, tmp_path: Path
) -> None:
    workflow = run_hostile_job(restricted, Security.RESTRICTED, tmp_path, "stolen")
    assert_nothing_was_found(restricted, workflow, cluster_s3, "stolen", tmp_path)


# What a namespace's Workflows get that name no artifact repository of their own.
ARCHIVING = """
archiveLogs: true
s3:
  endpoint: ENDPOINT
  insecure: true
  bucket: BUCKET
  keyFormat: "{{workflow.namespace}}/archived/{{workflow.name}}/{{pod.name}}"
  accessKeySecret: {name: textgen-store, key: AWS_ACCESS_KEY_ID}
  secretKeySecret: {name: textgen-store, key: AWS_SECRET_ACCESS_KEY}
"""
PLAIN_WORKFLOW = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {"generateName": "plain-"},
    "spec": {
        "entrypoint": "main",
        "serviceAccountName": "textgen",
        "executor": {"serviceAccountName": "textgen-executor"},
        "templates": [{"name": "main", "container": {"image": "debian:12", "command": ["echo", "archived"]}}],
    },
}


@contextmanager
def controller_that_archives_logs(namespace: Namespace) -> Iterator[None]:
    """Argo's controller archives logs with the store's keys, unless a Workflow names a repository."""
    endpoint = urlsplit(os.environ["S3_ENDPOINT"]).netloc
    config = ARCHIVING.replace("ENDPOINT", endpoint).replace("BUCKET", BUCKET)
    words = ("-n", "argo", "patch", "configmap", "workflow-controller-configmap", "--type=merge", "-p")
    kubectl(*words, json.dumps({"data": {"artifactRepository": config}}))

    def archives() -> bool:
        workflow = namespace.ended(namespace.create(json.dumps(PLAIN_WORKFLOW)))
        return "main-logs" in json.dumps(workflow["status"])

    try:
        until(archives, "the controller to archive logs", 600)
        yield
    finally:
        kubectl(*words, json.dumps({"data": {"artifactRepository": None}}))


@pytest.mark.disruptive
def test_a_hostile_job_finds_nothing_under_a_controller_that_archives_logs(
    baseline: Namespace, cluster_s3: Any, tmp_path: Path
) -> None:
    if not are_own():
        pytest.skip("the cluster's controller is not this machine's own: nothing here may configure it")
    with controller_that_archives_logs(baseline):
        workflow = run_hostile_job(baseline, Security.BASELINE, tmp_path, "archived")
        assert "main-logs" not in json.dumps(workflow["status"])
        (pod,) = baseline.pods(workflow["metadata"]["name"], "steals")
        (wait,) = [each for each in pod["spec"]["containers"] if each["name"] == "wait"]
        assert "textgen-store" not in json.dumps(wait)
        assert_nothing_was_found(baseline, workflow, cluster_s3, "archived", tmp_path)
