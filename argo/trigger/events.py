"""What a poller has to say where people look: an Event in the namespace."""

from datetime import UTC, datetime

from argo.cluster.api import Api, ApiError
from argo.object_names import MANAGED_BY, MANAGER
from argo.trigger.push import Push

REASON = "InvalidWorkflowFile"

_LONGEST = 1024  # characters that an Event's message may have
_SEEN, _FORBIDDEN = 409, 403


def report_invalid_file(api: Api, push: Push, message: str) -> None:
    """Say, once, that the file of the push can't run: at the Workflow that it would have been.

    Who may not create Events says nothing. Raises ClusterError.
    """
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    text = f"{push.url} {push}: {message}"
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{push.run}.invalid", "labels": {MANAGED_BY: MANAGER}},
        "type": "Warning",
        "reason": REASON,
        "message": text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…",
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
        if error.status not in {_SEEN, _FORBIDDEN}:
            raise
