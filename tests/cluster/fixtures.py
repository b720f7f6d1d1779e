"""Fixtures of a real cluster: KUBECONFIG's, with Argo's definitions, and MinIO at S3_ENDPOINT.

`make test-cluster` starts one. Tests are skipped, with the reason, if there is none or no Argo controller.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.kubernetes import (
    BUCKET,
    Namespace,
    images,
    kubectl,
    make_bucket,
    namespace,
    this_host,
    until,
)
from tests.storage.servers import free_port


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> None:
    """A cluster that can be reached, with Argo's definitions."""
    if "cluster" not in pytestconfig.option.markexpr:
        pytest.skip("a cluster is only touched when asked for: make test-cluster")
    if not os.environ.get("KUBECONFIG") or not shutil.which("kubectl"):
        pytest.skip("no cluster: KUBECONFIG is not set (make test-cluster starts one)")
    if "workflows.argoproj.io" not in kubectl("get", "crd", "-o", "name", check=False):
        pytest.skip("the cluster does not answer, or lacks Argo's definitions")


@pytest.fixture(scope="session")
def controller(cluster: None) -> None:
    """A controller of Argo's, which runs what is created."""
    if not kubectl(
        "-n", "argo", "get", "configmap", "workflow-controller-configmap", "-o", "name", check=False
    ):
        pytest.skip("no Argo controller in the cluster: nothing there runs a Workflow")
    if not os.environ.get("S3_ENDPOINT"):
        pytest.skip("no object store: S3_ENDPOINT is not set")
    if "library/debian:12" not in str(images()):
        pytest.skip("the cluster lacks the test images: make test-cluster starts one that has them")


@pytest.fixture(scope="session")
def cluster_s3() -> Any:
    """A client of the cluster's object store, with the tests' bucket."""
    import boto3

    client = boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT"])
    make_bucket(client, BUCKET)
    return client


@pytest.fixture(scope="session")
def restricted(controller: None, cluster_s3: Any) -> Iterator[Namespace]:
    """A namespace that enforces Pod Security "restricted"."""
    with namespace("restricted", os.environ["S3_ENDPOINT"]) as created:
        yield created


@pytest.fixture(scope="session")
def baseline(controller: None, cluster_s3: Any) -> Iterator[Namespace]:
    """A namespace that enforces Pod Security "baseline"."""
    with namespace("baseline", os.environ["S3_ENDPOINT"]) as created:
        yield created


@pytest.fixture(scope="session")
def git_server(controller: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder, and the URL under which a git daemon serves the repositories in it to the cluster."""
    folder = tmp_path_factory.mktemp("served")
    host = this_host()
    port = free_port(host)
    words = ["git", "daemon", f"--base-path={folder}", "--export-all", f"--listen={host}", f"--port={port}"]
    daemon = subprocess.Popen([*words, str(folder)], stderr=subprocess.DEVNULL)

    def answers() -> bool:
        with socket.socket() as client:
            return client.connect_ex((host, port)) == 0

    try:
        until(answers, "git daemon", 60)
        yield folder, f"git://{host}:{port}"
    finally:
        daemon.terminate()
        daemon.wait(60)
