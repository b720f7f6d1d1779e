"""Whether Kubernetes and Argo are what a run needs, and this user has the rights for it."""

import re
from collections.abc import Iterator

from argo.cluster.api import Api
from argo.cluster.preflight import Problem

KUBERNETES = (1, 29)  # the first version with sidecar containers (restartPolicy: Always)

# To submit, watch and read a run: API group, resource and verb.
_NEEDED = (
    ("argoproj.io", "workflows", "create"),
    ("argoproj.io", "workflows", "get"),
    ("argoproj.io", "workflows", "list"),
    ("argoproj.io", "workflows", "watch"),
    ("", "pods", "get"),
    ("", "pods", "list"),
    ("", "pods", "watch"),
    ("", "pods/log", "get"),
)


def check_argo_installed(api: Api) -> Iterator[Problem]:
    """Whether the cluster has Workflows, and the namespace."""
    group = api.find("/apis/argoproj.io/v1alpha1") or {}
    if "workflows" not in [each["name"] for each in group.get("resources") or ()]:
        yield Problem(
            f"{api.server} has no Argo Workflows (no workflows.argoproj.io): install it, or choose --context"
        )
    elif api.is_namespace_missing():
        yield Problem(f"no namespace {api.namespace!r}: create it, or choose another with -n")


def check_kubernetes_version(api: Api) -> Iterator[Problem]:
    """Whether the cluster knows sidecars, without which a job's pod does not start."""
    version = api.get("/version")
    numbers = re.match(r"v?(\d+)\.(\d+)", str(version.get("gitVersion")))  # `minor` may be "29+"
    if numbers and (int(numbers[1]), int(numbers[2])) < KUBERNETES:
        yield Problem(
            f"{api.server} has Kubernetes {version['gitVersion']}: update it to "
            f"{'.'.join(map(str, KUBERNETES))} or later, which has sidecar containers"
        )


def check_permissions(api: Api) -> Iterator[Problem]:
    """Whether this user may do all that a run needs."""
    denied: dict[str, list[str]] = {}
    for group, resource, verb in _NEEDED:
        name, _, subresource = resource.partition("/")
        attributes = {"namespace": api.namespace, "group": group, "resource": name, "verb": verb}
        if subresource:
            attributes["subresource"] = subresource
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = api.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        if not answer["status"]["allowed"]:
            denied.setdefault(f"{resource}.{group}".rstrip("."), []).append(verb)
    for resource, verbs in denied.items():
        yield Problem(
            f"you may not {' or '.join(verbs)} {resource} in namespace {api.namespace}: ask for that right, "
            "or choose another namespace with -n"
        )
