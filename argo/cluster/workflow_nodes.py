"""The nodes of a Workflow's status: the pods of a job, and why one has failed."""

import base64
import gzip
import json
import re
import signal
from collections.abc import Mapping
from typing import NamedTuple

from argo.cluster.objects import Workflow, WorkflowNode
from job.errors import ClusterError

Nodes = Mapping[str, WorkflowNode]  # by id

FAILED = {"Failed", "Error"}

_GZIP = b"\x1f\x8b"

# Argo's message on a pod whose container failed: "main: Error (exit code 1): ". The kubelet's look different.
_CONTAINER_FAILED = re.compile(r"[a-z]+: |container deleted")
_SIGNAL_EXIT_CODE = re.compile(r"\bError \(exit code (1[3-9]\d|129)\)")

# RUN.JOB.PART(ATTEMPT): what Argo calls the pods of a generation in shards (argo.compile.generation). A run's
# own name may have dots.
_PART = re.compile(r".+\.[^.]+\.(?:(plan|join)|shard\((\d+):\d+\))(?:\(\d+\))?")


class Part(NamedTuple):
    """One of a generation's pods, whichever attempt: its plan, its join, or the shard with this number."""

    name: str
    shard: int | None = None

    def __str__(self) -> str:
        return self.name if self.shard is None else f"shard {self.shard}"


def parse_part(node_name: str) -> Part | None:
    """The part of a generation that a node of this name is; None for the pod of any other job."""
    match = _PART.fullmatch(node_name)
    if not match:
        return None
    return Part(match[1]) if match[1] else Part("shard", int(match[2]))


def line_prefix(part: Part | None) -> str:
    """What is before each line of a part's log: of a shard, which one."""
    return "" if part is None or part.shard is None else f"{part}: "


def get_nodes(workflow: Workflow) -> Nodes:
    """The nodes of the run by id; Argo compresses those of a large Workflow.

    Raises ClusterError if they are not in the Workflow, or compressed in a way that is not read here.
    """
    name, status = workflow["metadata"]["name"], workflow.get("status") or {}
    if compressed := status.get("compressedNodes"):
        content = base64.b64decode(compressed)
        if not content.startswith(_GZIP):
            raise ClusterError(
                f"{name}: its nodes are compressed with what Argo's WORKFLOW_COMPRESSION_ALGORITHM says, and "
                "only gzip can be read here; use argo get"
            )
        nodes: dict[str, WorkflowNode] = json.loads(gzip.decompress(content))
        return nodes
    if status.get("offloadNodeStatusVersion"):
        raise ClusterError(f"{name}: its nodes are in the database of Argo's controller; use argo get")
    return status.get("nodes") or {}


def get_attempts(job: WorkflowNode, nodes: Nodes) -> list[WorkflowNode]:
    """The pods' nodes of a job's node, first to last; of a generation those of its plan, shards and join."""
    match job["type"]:
        case "Retry":
            return [nodes[child] for child in job.get("children") or () if child in nodes]
        case "DAG":
            pods = [
                node
                for node in nodes.values()
                if node.get("boundaryID") == job["id"] and node["type"] == "Pod"
            ]
            return sorted(pods, key=lambda pod: (pod.get("startedAt") or "", pod.get("name", "")))
    return [job]


def find_cause(pod: WorkflowNode, nodes: Nodes) -> str:
    """Why the pod failed: the message of its first failed container, as later ones only fail with it."""
    message = pod.get("message", "")
    if not message or _CONTAINER_FAILED.match(message):
        container = _first_child(pod, nodes)
        while container and container.get("phase") not in FAILED:
            container = _first_child(container, nodes)
        message = (container.get("message") if container else "") or message
    return _SIGNAL_EXIT_CODE.sub(_name_signal, message.rstrip(": "))


def explain_retry(attempts: list[WorkflowNode], nodes: Nodes) -> str:
    """Why the last attempt that failed did so, and whether there is a new one; empty if none has failed."""
    failed = [each for each in attempts if each.get("phase") in FAILED]
    if not failed:
        return ""
    cause = find_cause(failed[-1], nodes)
    return cause if failed[-1] is attempts[-1] else f"trying again: {cause}"


def _first_child(node: WorkflowNode, nodes: Nodes) -> WorkflowNode | None:
    return nodes.get((node.get("children") or [""])[0])


def _name_signal(exit_code: re.Match[str]) -> str:
    """How a container ended that a signal has killed."""
    number = int(exit_code[1]) - 128
    try:
        return f"killed by {signal.Signals(number).name} (exit code {exit_code[1]})"
    except ValueError:
        return exit_code[0]
