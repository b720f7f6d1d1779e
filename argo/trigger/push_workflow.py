"""The Workflow of a push.

It is created suspended, and starts when the store's record names its id. So one that nobody recorded has
not run, however its poller ended; and of two that one name had in turn, only one ever starts.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict

from argo.cluster.api import Api, ApiError, Object
from argo.compile import ClusterConfig, FileOrigin, Kind, build
from argo.language import Workflow
from argo.object_names import ARGO_COMPLETED, GITHUB_REF, GITHUB_URL, REPORTED, TRIGGER
from argo.trigger.push import Push
from job.errors import ClusterError

WAITING, STARTED = "waiting", "started"

_CONFLICT = 409


def compile_push(push: Push, workflow: Workflow, cluster: ClusterConfig) -> Object:
    """The suspended Workflow. Raises InputError for what the cluster's table lacks or Argo can't hold."""
    values = {GITHUB_URL: push.url, GITHUB_REF: push.commit}
    origin = FileOrigin(push.file, push.url, push.commit)
    made: Object = build(workflow, Kind.WORKFLOW, cluster, origin, values=values)
    made["spec"]["suspend"] = True
    return name_after_push(made, push, WAITING)


def name_after_push(made: Object, push: Push, state: str) -> Object:
    """The Workflow as the one of a push, by whose name the API server refuses a second one."""
    metadata = {key: value for key, value in made["metadata"].items() if key != "generateName"}
    labels = {**metadata["labels"], TRIGGER: state}
    annotations = {**metadata["annotations"], TRIGGER: json.dumps(asdict(push), ensure_ascii=False)}
    metadata |= {"name": push.run, "labels": labels, "annotations": annotations}
    return {**made, "metadata": metadata}


def create_workflow(api: Api, made: Object) -> Object | None:
    """The Workflow of that name, this one or the one that was there; None where that is gone again.

    Raises ClusterError, also where what has the name is no run of that push.
    """
    name, push = made["metadata"]["name"], get_push(made)
    try:
        found: Object | None = api.create(api.workflow_path(), made)
    except ApiError as error:
        if error.status != _CONFLICT:
            raise
        found = api.find(api.workflow_path(name))
    if (
        found
        and (there := get_push(found)) != push
        and (there is None or push is None or there.run != push.run)
    ):
        raise ClusterError(f"{api} has another Workflow {name}: delete it, or the push can't be run")
    return found


def start_workflow(api: Api, workflow: Object) -> None:
    """Let it run. Does nothing to one that runs."""
    body = {"metadata": {"labels": {TRIGGER: STARTED, REPORTED: None}}, "spec": {"suspend": None}}
    api.patch(api.workflow_path(workflow["metadata"]["name"]), body)


def discard_workflow(api: Api, workflow: Object) -> None:
    """Delete one that has not started and never will."""
    try:
        api.delete(api.workflow_path(workflow["metadata"]["name"]))
    except ApiError as error:
        if error.status != 404:
            raise


def mark_reported(api: Api, workflow: Object) -> None:
    """Note that its end has been reported."""
    try:
        api.patch(
            api.workflow_path(workflow["metadata"]["name"]), {"metadata": {"labels": {REPORTED: "true"}}}
        )
    except ApiError as error:
        if error.status != 404:
            raise


def is_waiting(workflow: Object) -> bool:
    """Whether it was created and has not been started."""
    return _labels(workflow).get(TRIGGER) == WAITING


def list_waiting(api: Api) -> list[Object]:
    """Those that were created, and perhaps not recorded."""
    return api.list_items(api.workflow_path(), labelSelector=f"{TRIGGER}={WAITING}")


def list_unreported(api: Api) -> list[Object]:
    """Those that have ended, and whose end was not reported."""
    selector = f"{TRIGGER}={STARTED},!{REPORTED},{ARGO_COMPLETED}=true"
    return api.list_items(api.workflow_path(), labelSelector=selector)


def get_push(workflow: Object) -> Push | None:
    """The push that it runs for, if a poller made it."""
    text = (workflow["metadata"].get("annotations") or {}).get(TRIGGER)
    try:
        return Push(**json.loads(text)) if text else None
    except (ValueError, TypeError):
        return None


def _labels(workflow: Object) -> Mapping[str, str]:
    found: Mapping[str, str] = workflow["metadata"].get("labels") or {}
    return found
