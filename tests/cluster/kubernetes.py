"""Tests' hold on a cluster: kubectl, and a namespace to run workflows in."""

import fcntl
import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest

from argo.kubernetes_names import SHARED_NAMESPACE
from job.datasets import Datasets

BUCKET = "textgen-tests"

T = TypeVar("T")

_BASE = Path(__file__).parents[2] / "k8s" / "base"


def until(condition: Callable[[], T | None], what: str, seconds: float, every: float = 0.1) -> T:
    """What the condition returns when it is true. Raises AssertionError after so many seconds."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(every)
    return result


def kubectl(*words: str, text: str | None = None, check: bool = True) -> str:
    """kubectl's output. Raises AssertionError with its errors if it fails."""
    done = subprocess.run(
        ["kubectl", *words], input=text, capture_output=True, text=True, check=False, timeout=600
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True)
class Namespace:
    """A namespace with what k8s/base puts there, and a dataset store of its own."""

    name: str
    store: str

    @property
    def datasets(self) -> Datasets:
        return Datasets.at(self.store)

    def create(self, text: str) -> str:
        """Create a Workflow; its name."""
        created = json.loads(kubectl("-n", self.name, "create", "-o", "json", "-f", "-", text=text))
        return str(created["metadata"]["name"])

    def get(self, run: str) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(kubectl("-n", self.name, "get", "workflow", run, "-o", "json"))
        return result

    def ended(self, run: str, seconds: float = 600) -> dict[str, Any]:
        """The Workflow when it has ended."""
        return until(
            lambda: (result := self.get(run)).get("status", {}).get("finishedAt") and result,
            f"{run} to end",
            seconds,
            every=1,
        )

    def pods(self, run: str, job: str) -> list[dict[str, Any]]:
        """The pods of a job of the run."""
        labels = f"workflows.argoproj.io/workflow={run},textgen/job={job}"
        result = json.loads(kubectl("-n", self.name, "get", "pods", "-l", labels, "-o", "json"))
        return list(result["items"])

    def running(self, run: str, job: str, container: str = "main") -> dict[str, Any]:
        """The job's pod as soon as the container runs in it."""

        def find_running_pod() -> dict[str, Any] | None:
            for pod in self.pods(run, job):
                for each in pod["status"].get("containerStatuses", ()):
                    if each["name"] == container and "running" in each["state"]:
                        return pod
            return None

        return until(find_running_pod, f"{container} of {job} to run", 600, every=0.5)

    def lost(self, run: str, job: str, uid: str, seconds: float) -> None:
        """Wait until that pod of the job is gone."""
        until(
            lambda: uid not in [pod["metadata"]["uid"] for pod in self.pods(run, job)],
            f"the pod of {job} to be gone",
            seconds,
            every=0.5,
        )


def images() -> list[str]:
    """The names of the images that the nodes hold."""
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    return [name for node in nodes for image in node["status"]["images"] for name in image.get("names") or ()]


def this_host() -> str:
    """The address under which pods reach this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.connect((urlsplit(os.environ["S3_ENDPOINT"]).hostname, 9))
        return str(way.getsockname()[0])


def make_bucket(client: Any, name: str) -> None:
    """Make a bucket that may be there already: pytest's other processes make it too."""
    with suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket=name)


def secret(namespace: str, name: str, values: dict[str, str]) -> None:
    """Create a Secret."""
    document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}
    kubectl("-n", namespace, "create", "-f", "-", text=json.dumps(document))


@contextmanager
def shared_namespace(temporary: Path) -> Iterator[str]:
    """The one name that is not of a test's choosing, held by one of pytest's processes at a time.

    `temporary` is what pytest makes for a process. Skips where the cluster has the namespace already.
    """
    with (temporary.parent / "shared-namespace").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if kubectl("get", "namespace", SHARED_NAMESPACE, "--ignore-not-found"):
            pytest.skip(f"the namespace {SHARED_NAMESPACE} is somebody's")
        try:
            yield SHARED_NAMESPACE
        finally:
            kubectl("delete", "namespace", SHARED_NAMESPACE, "--ignore-not-found", "--timeout=300s")


@contextmanager
def namespace(level: str, endpoint: str) -> Iterator[Namespace]:
    """A namespace that enforces a Pod Security standard, and whose pods find the store at `endpoint`."""
    name = f"test-{level}-{secrets.token_hex(3)}"
    kubectl("create", "namespace", name)
    try:
        kubectl("label", "namespace", name, f"pod-security.kubernetes.io/enforce={level}")
        kubectl("-n", name, "apply", "-f", str(_BASE / "rbac.yaml"))
        store = f"s3://{BUCKET}/{name}?endpoint={endpoint}"
        manifest = (_BASE / "store.yaml").read_text()
        manifest = manifest.replace("s3://textgen/datasets?endpoint=http://minio:9000", store)
        manifest = manifest.replace("minio:9000", urlsplit(endpoint).netloc).replace(
            "bucket: textgen", f"bucket: {BUCKET}"
        )
        kubectl("-n", name, "apply", "-f", "-", text=manifest)
        secret(
            name,
            "textgen-store",
            {key: os.environ[key] for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")},
        )
        yield Namespace(name, store)
    finally:
        kubectl("delete", "namespace", name, "--wait=false")
