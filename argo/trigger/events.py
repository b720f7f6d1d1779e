"""The Event in the namespace that says that a pushed file can't run."""

from datetime import UTC, datetime

from argo.cluster.api import Api, ApiError
from argo.kubernetes_names import MANAGED_BY, MANAGER
from argo.trigger.push import Push

REASON = "InvalidWorkflowFile"

_MAX_MESSAGE = 1024  # characters, Kubernetes' own limit
_FORBIDDEN, _ALREADY_EXISTS = 403, 409


def create_invalid_file_event(api: Api, push: Push, message: str) -> None:
    """Create the Event, once, for the Workflow that the push would have had.

    Without the right to create Events, none is created. Raises ClusterError.
    """
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    text = f"{push.url} {push}: {message}"
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{push.run}.invalid", "labels": {MANAGED_BY: MANAGER}},
        "type": "Warning",
        "reason": REASON,
        "message": text if len(text) <= _MAX_MESSAGE else f"{text[: _MAX_MESSAGE - 1]}…",
        "source": {"component": "textgen"},
        "involvedObject": {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "namespace": api.namespace,
            "name": push.run,
        },
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    try:
        api.create(api.core_path("events"), body)
    except ApiError as error:
        if error.status not in {_FORBIDDEN, _ALREADY_EXISTS}:
            raise
