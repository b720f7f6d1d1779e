"""The policy of k8s/overlays/restricted, in force in one namespace only, and pods as Argo makes them."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import CoreV1Api
from kubernetes.client.exceptions import ApiException
from kubernetes.config import new_client_from_config

from argo.compile import ClusterConfig, FileOrigin, Kind, Security, render
from argo.compile.workflow import build
from argo.language import load
from tests.cluster.kubernetes import Namespace, images, kubectl, until

ROOT = Path(__file__).parents[2]
OVERLAY = ROOT / "k8s" / "overlays" / "restricted"

Object = dict[str, Any]

# The trigger's WorkflowTemplate, as `argo submit --from` runs it.
POLL = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: poll-}
spec: {workflowTemplateRef: {name: textgen-trigger}}
"""


@contextmanager
def enforce_policy(namespace: Namespace) -> Iterator[None]:
    """The policy under names of its own, for this namespace alone. It is in force when this yields."""
    suffix = secrets.token_hex(3)
    executor = next(name for name in images() if "argoexec" in name and "@" not in name)
    patch = yaml.safe_load((OVERLAY / "kustomization.yaml").read_text("utf-8"))["patches"][0]["patch"]
    annotations = {**yaml.safe_load(patch)["metadata"]["annotations"], "textgen/executor-image": executor}
    words = [f"{key}={value}" for key, value in annotations.items()]
    kubectl("annotate", "namespace", namespace.name, *words)
    text = (OVERLAY / "policy.yaml").read_text("utf-8")
    text = text.replace("textgen/credentials: protected", f"textgen/credentials-{suffix}: protected")
    for name in ("textgen-credentials", "textgen-shells"):
        text = text.replace(f"ame: {name}\n", f"ame: {name}-{suffix}\n")
    kubectl("create", "-f", "-", text=text)
    kubectl("label", "namespace", namespace.name, f"textgen/credentials-{suffix}=protected")
    probe = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe"},
        "spec": {"serviceAccountName": "textgen-executor", "containers": []},
    }
    try:
        until(
            lambda: "it is for Argo's containers" in refusal(namespace, with_main(probe)),
            "the policy to be in force",
            300,
            every=0.5,
        )
        yield
    finally:
        kubectl("delete", "-f", "-", text=text)


def refusal(namespace: Namespace, pod: Object) -> str:
    """Why the API server does not create the pod; empty if it would. The pod is not created."""
    try:
        _core().create_namespaced_pod(namespace.name, pod, dry_run="All")
    except ApiException as error:
        assert error.status in {400, 403, 422}, error
        return str(json.loads(error.body or "")["message"])
    return ""


@cache
def _core() -> Any:
    return CoreV1Api(new_client_from_config())


def with_main(pod: Object) -> Object:
    """The pod with a container of somebody's that passes Pod Security "restricted"."""
    pod = deepcopy(pod)
    pod["spec"]["containers"].append(stranger("main"))
    return pod


def stranger(name: str, **fields: Any) -> Object:
    """A container that is not of textgen's."""
    return {
        "name": name,
        "image": "debian:12",
        "command": ["env"],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **fields,
    }


def build_workflow(file: Path) -> Object:
    """The Workflow of a file, for Pod Security "restricted"."""
    config = ClusterConfig(security=Security.RESTRICTED)
    return build(load(file), Kind.WORKFLOW, config, FileOrigin(file.name))


def compile_workflow(file: Path) -> str:
    """The same as YAML."""
    return render(build_workflow(file), file.name)


def made_pod(namespace: Namespace, run: str) -> Object:
    """The first pod that Argo makes for the Workflow, as it could be created again."""

    def find() -> Object | None:
        label = f"workflows.argoproj.io/workflow={run}"
        items = json.loads(kubectl("-n", namespace.name, "get", "pods", "-l", label, "-o", "json"))["items"]
        return next(iter(items), None)

    pod = until(find, f"a pod of {run}", 300, every=0.5)
    metadata = pod["metadata"]
    pod["metadata"] = {
        "name": "again",
        **{key: metadata[key] for key in ("labels", "annotations", "ownerReferences") if key in metadata},
    }
    del pod["status"]
    pod["spec"].pop("nodeName", None)
    return dict(pod)


def container(pod: Object, name: str) -> Object:
    """The container, or init container, of that name."""
    every = [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
    return next(each for each in every if each["name"] == name)


def variable(name: str, secret: str, key: str = "x") -> Object:
    """A variable with a key of a Secret."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key, "optional": True}}}
