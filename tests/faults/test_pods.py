"""What happens to a pod: each job of one run is hit in another way, and so is who follows the run."""

import json
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.command import Command
from tests.cluster.kubernetes import Namespace, kubectl
from tests.faults.followed_run import command, follow, submit, whole_versions
from tests.faults.gate import Gate

pytestmark = pytest.mark.cluster

# Each job: what it does before it would write its dataset, which has the job's name. The kubelet looks once
# a minute at what volumes hold.
JOBS = {
    "killed": "echo $$ > /tmp/pid; GATE",
    "deleted": "GATE",
    "evicted": "GATE",
    "full": "head -c 500M /dev/zero > /outputs/data/zeros; sleep 600",
    "hungry": "head -c 1G /dev/zero | tail -c 1G > /outputs/data/zeros",
    "ended_itself": "exit 143",  # as if it were told to end, but it was not
}
JOB = """
  {name}:
    uses: script@v1
    outputs: {{data: {{type: dataset, with: {{ref: {name}}}}}}}
    with: {{image: 'debian:12', script: '{script} && echo text > /outputs/data/file'}}
"""
KILL = "until [ -s /tmp/pid ]; do sleep 0.1; done; kill -9 $(cat /tmp/pid)"
# What a container may write where nothing else is said: a cluster's own way to bound an emptyDir. A pod has
# three containers, and Argo's executor takes 120 MB of all that.
DISK = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "metadata": {"name": "disk"},
    "spec": {"limits": [{"type": "Container", "default": {"ephemeral-storage": "100Mi"}}]},
}


@dataclass(frozen=True)
class Hit:
    """The run after all: what following it printed, and what is known of its jobs."""

    name: str
    printed: str
    jobs: dict[str, Any]
    first: dict[str, str]  # of each job that lost its pod: the pod's uid

    def said(self, job: str) -> str:
        """The line that gives the reason, at the end."""
        _, _, after = self.printed.partition(f"\n{job}: ")
        return after.partition("\n")[0]


@pytest.fixture(scope="module")
def hit(restricted: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hit]:
    kubectl("-n", restricted.name, "create", "-f", "-", text=json.dumps(DISK))
    with Gate() as gate:
        jobs = "".join(JOB.format(name=name, script=script) for name, script in JOBS.items())
        workflow = f"jobs:{jobs}".replace("GATE", gate.wait)
        yield _hit(command(tmp_path_factory.mktemp("pods"), restricted, workflow), gate)
    kubectl("-n", restricted.name, "delete", "limitrange", "disk")


def _hit(textgen: Command, gate: Gate) -> Hit:
    namespace = textgen.namespace
    within = ("-n", namespace.name)
    with submit(textgen) as submitted:
        run = submitted.run
        killed = namespace.running(run, "killed")["metadata"]["name"]
        submitted.process.send_signal(signal.SIGKILL)
    with follow(textgen, "watch", run) as watched:
        kubectl(*within, "exec", killed, "-c", "main", "--", "bash", "-c", KILL)
        lost = {job: namespace.running(run, job)["metadata"] for job in ("deleted", "evicted")}
        kubectl(*within, "delete", "pod", lost["deleted"]["name"], "--grace-period=5", "--wait=false")
        _evict(namespace.name, lost["evicted"]["name"])
        first = {job: pod["uid"] for job, pod in lost.items()}
        for job, uid in first.items():
            namespace.lost(run, job, uid, 300)
        gate.open()
        assert watched.process.wait(900) == 1
    return Hit(run, watched.text, json.loads(textgen("get", run, "-o", "json"))["jobs"], first)


def _evict(namespace: str, pod: str) -> None:
    """What `kubectl drain` asks for."""
    document = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace},
        "deleteOptions": {"gracePeriodSeconds": 5},
    }
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    kubectl("create", "--raw", path, "-f", "-", text=json.dumps(document))


def test_watch_continues_after_submit_was_killed(hit: Hit) -> None:
    """The exit status was asserted above: it is the run's."""
    assert "Failed in" in hit.printed
    assert f"textgen retry {hit.name}" in hit.printed


def test_a_killed_process_fails_its_job_and_the_signal_is_named(hit: Hit, restricted: Namespace) -> None:
    assert hit.said("killed") == "main: killed by SIGKILL (exit code 137)"
    assert whole_versions(restricted, "killed") == 0


@pytest.mark.parametrize("job", ["deleted", "evicted"])
def test_a_lost_pod_costs_a_new_one_and_leaves_one_version(job: str, hit: Hit, restricted: Namespace) -> None:
    assert hit.jobs[job]["phase"] == "Succeeded"
    nodes = restricted.get(hit.name)["status"]["nodes"].values()
    # Argo makes a pod that it has not seen running again for the same attempt, and says nothing
    if len([node for node in nodes if node["displayName"].startswith(f"{job}(")]) > 1:
        # whichever it sees first: that the pod is deleted, or that its container was told to end
        assert re.search(rf"{job} .*trying again: (pod deleted|main: killed by SIGTERM)", hit.printed)
    pods = [pod["metadata"]["uid"] for pod in restricted.pods(hit.name, job)]
    assert len(pods) == 1
    assert pods != [hit.first[job]]
    assert whole_versions(restricted, job) == 1


def test_a_full_disk_fails_its_job_and_the_limit_is_named(hit: Hit, restricted: Namespace) -> None:
    said = hit.said("full")
    assert said.startswith("Pod ephemeral local storage usage exceeds the total limit of containers")
    assert whole_versions(restricted, "full") == 0


def test_a_job_out_of_memory_names_its_type_and_the_next_one(hit: Hit, restricted: Namespace) -> None:
    assert hit.said("hungry") == "OOMKilled: asked for 256 MiB, instance type C4; try C5"
    assert whole_versions(restricted, "hungry") == 0


def test_a_failed_script_is_not_tried_again(hit: Hit, restricted: Namespace) -> None:
    assert hit.said("ended_itself") == "main: killed by SIGTERM (exit code 143)"
    assert len(restricted.pods(hit.name, "ended_itself")) == 1
    assert whole_versions(restricted, "ended_itself") == 0
