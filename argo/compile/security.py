"""Who a pod's containers run as.

Gradient ran an image as its own user, mostly root, and files rely on it. So a job's own container keeps
its user under Pod Security "baseline", while every container of ours and Argo's passes "restricted"; with
Security.RESTRICTED the whole pod does.
"""

from typing import Any

from hera.workflows import models as m

from argo.compile import text
from argo.compile.cluster_config import Security

# Ours, Argo's and, when restricted, the job's own: one user, so that none meets a file it can't read.
USER = 1000

_RESTRICTED: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
}


def pod(security: Security) -> m.PodSecurityContext:
    """For all of a pod. The group is given every volume, whoever the job's own user is."""
    shared = {
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",  # a large claim is not walked through each time
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    user = {"runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER}
    restricted = security is Security.RESTRICTED
    return m.PodSecurityContext.model_validate({**shared, **(user if restricted else {})})


def helper() -> m.SecurityContext:
    """For a container of ours."""
    return m.SecurityContext.model_validate(_RESTRICTED)


def own(security: Security) -> m.SecurityContext | None:
    """For a job's own container; None keeps its image's user."""
    return helper() if security is Security.RESTRICTED else None


def executor() -> str:
    """The patch for Argo's own containers, which have no other way to be restricted or limited.

    They store logs, and try that for five minutes: by default they give up, and fail the job, after ten
    seconds without the store.
    """
    patch = {
        "env": [{"name": "EXECUTOR_RETRY_BACKOFF_STEPS", "value": "12"}],  # 1 s, 1.6 s, 2.56 s, ...
        "securityContext": _RESTRICTED,
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
    }
    containers = {"initContainers": [{"name": "init", **patch}], "containers": [{"name": "wait", **patch}]}
    return text.carried(containers)
