"""A component of the cluster that goes away in the middle of a run, and comes back: the run ends right."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cluster.command import Command
from tests.cluster.kubernetes import Namespace, kubectl, until
from tests.faults.component import are_own, stopped
from tests.faults.followed_run import Followed, command, submit, whole_versions
from tests.faults.gate import Gate

pytestmark = [pytest.mark.cluster, pytest.mark.disruptive]

WORKFLOW = """
jobs:
  prints:
    uses: script@v1
    with: {image: 'debian:12', script: 'GATE; echo printed'}
  makes:
    uses: script@v1
    outputs: {data: {type: dataset, with: {ref: NAME}}}
    with: {image: 'debian:12', script: 'GATE; echo text > /outputs/data/file'}
"""


@pytest.fixture(scope="module", autouse=True)
def own_components(cluster: None) -> None:
    if not are_own():
        pytest.skip(
            "the cluster's components are not this machine's own processes: nothing here may stop them"
        )


def ready(node: str) -> bool:
    status = kubectl(
        "get", "node", node, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}", check=False
    )
    return status == "True"


def api_answers() -> bool:
    return kubectl("get", "--raw", "/readyz", check=False) == "ok"


def store_answers() -> bool:
    endpoint = urlsplit(os.environ["S3_ENDPOINT"])
    with socket.socket() as client:
        return client.connect_ex((endpoint.hostname, endpoint.port)) == 0


@contextmanager
def running(namespace: Namespace, folder: Path, dataset: str) -> Iterator[tuple[Command, Followed, Gate]]:
    """A run whose jobs are at work until the gate is opened."""
    with Gate() as gate:
        workflow = WORKFLOW.replace("NAME", dataset).replace("GATE", gate.wait)
        textgen = command(folder, namespace, workflow)
        with submit(textgen) as followed:
            for job in ("prints", "makes"):
                namespace.running(followed.run, job)
            yield textgen, followed, gate


def ends_right(followed: Followed, namespace: Namespace, dataset: str) -> None:
    assert followed.process.wait(600) == 0, followed.text
    assert whole_versions(namespace, dataset) == 1


# How long each is away, in seconds, and how it says that it is back; Argo's controller has no way to. The
# store is away for longer than Argo's executor would wait by itself.
COMPONENTS: dict[str, tuple[int, Callable[[], bool]]] = {
    "argo": (15, lambda: True),
    "apiserver": (15, api_answers),
    "minio": (30, store_answers),
}


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_run_survives_the_loss_of_a_component(
    component: str, restricted: Namespace, tmp_path: Path
) -> None:
    with running(restricted, tmp_path, component) as (textgen, followed, gate):
        seconds, answers = COMPONENTS[component]
        with stopped(component, answers):
            gate.open()
            time.sleep(seconds)  # the fault itself, not a wait for something
        ends_right(followed, restricted, component)
    assert "printed" in textgen("logs", followed.run, "prints")


@contextmanager
def restored(node: str) -> Iterator[None]:
    """The node has the labels and GPUs afterwards that it has now."""
    saved = json.loads(kubectl("get", "node", node, "-o", "json"))
    try:
        yield
    finally:
        labels = {"metadata": {"labels": saved["metadata"]["labels"]}}
        until(lambda: kubectl("patch", "node", node, "-p", json.dumps(labels), check=False), "the node", 300)
        gpus = {
            key: value for key, value in saved["status"]["capacity"].items() if key.startswith("nvidia.com/")
        }
        status = json.dumps({"status": {"capacity": gpus}})
        kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p", status)


def test_a_lost_node_costs_a_new_pod_and_leaves_one_version(restricted: Namespace, tmp_path: Path) -> None:
    """The first pod ends its work unseen, on a node that nobody hears of; the second finds that done."""
    with running(restricted, tmp_path, "node") as (textgen, followed, gate):
        run = followed.run
        pod = restricted.running(run, "makes")
        first, node = pod["metadata"]["uid"], pod["spec"]["nodeName"]
        with restored(node), stopped("kubelet", lambda: ready(node)):
            gate.open()
            kubectl("delete", "node", node)
            restricted.lost(run, "makes", first, 600)
        ends_right(followed, restricted, "node")
    assert "trying again: pod deleted" in followed.text
    assert "makes: was stored before" in textgen("logs", run, "makes")


def test_an_unresponsive_node_is_reported_and_may_come_back(restricted: Namespace, tmp_path: Path) -> None:
    with running(restricted, tmp_path, "silent") as (_, followed, gate):
        node = restricted.running(followed.run, "makes")["spec"]["nodeName"]
        with stopped("kubelet", lambda: ready(node)):
            line = f"node {node} does not answer; if it is gone for good: kubectl delete node {node}"
            until(lambda: followed.text.count(line) == 2, "a line for each job", 600)
        gate.open()
        ends_right(followed, restricted, "silent")
