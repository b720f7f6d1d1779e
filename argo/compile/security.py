"""Who a pod's containers run as.

Gradient ran an image as its own user, mostly root, and files rely on it. So a job's own container keeps
its user under Pod Security "baseline", while every container of textgen's and Argo's passes "restricted";
with Security.RESTRICTED the whole pod does.
"""

from typing import Any

from argo.compile.cluster_config import Security
from argo.compile.escaping import template_safe_json

# Of textgen's containers, Argo's and, when restricted, the job's own: each can read the others' files.
USER = 1000

RESTRICTED_CONTEXT: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
}


def pod_security_context(security: Security) -> dict[str, Any]:
    """The security context of a pod. Its group owns every volume, so the job's own user does not matter."""
    shared = {
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",  # a large claim is not walked through each time
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    user = {"runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER}
    restricted = security is Security.RESTRICTED
    return {**shared, **(user if restricted else {})}


def main_security_context(security: Security) -> dict[str, Any] | None:
    """The security context of a job's own container; None keeps its image's user."""
    return RESTRICTED_CONTEXT if security is Security.RESTRICTED else None


def executor_patch() -> str:
    """The podSpecPatch for Argo's own containers: there is no other way to restrict and limit them.

    What fails they try for five minutes; by default they give up, and fail the job, after ten seconds.
    """
    patch = {
        "env": [{"name": "EXECUTOR_RETRY_BACKOFF_STEPS", "value": "12"}],  # 1 s, 1.6 s, 2.56 s, ...
        "securityContext": RESTRICTED_CONTEXT,
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
    }
    containers = {"initContainers": [{"name": "init", **patch}], "containers": [{"name": "wait", **patch}]}
    return template_safe_json(containers)
