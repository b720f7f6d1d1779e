"""The Workflow of a push.

A poller creates it suspended, and starts it when the store's record names its uid. So a Workflow without a
record has not run, however its poller ended; and of two Workflows that had the same name, only one starts.
CI (`textgen submit --once`) creates it started and without a record: the API server refuses a second Workflow
of that name as long as the first is kept.
"""

import json
from dataclasses import asdict

from argo.cluster import objects
from argo.cluster.api import Api, ApiError, Object
from argo.cluster.submit import Submission
from argo.compile import ClusterConfig, FileOrigin, Kind
from argo.compile.workflow import build
from argo.kubernetes_names import ARGO_COMPLETED, BRANCH, GITHUB_REF, GITHUB_URL, REPORTED, TRIGGER
from argo.language import Workflow
from argo.trigger.push import Push
from job.checkout.git import is_commit
from job.errors import ClusterError, InputError

WAITING, STARTED = "waiting", "started"

_NOT_FOUND, _CONFLICT = 404, 409


def build_push_workflow(push: Push, workflow: Workflow, cluster: ClusterConfig) -> Object:
    """The suspended Workflow.

    Raises InputError if the cluster's configuration lacks what it needs, or Argo can't hold it.
    """
    values = {GITHUB_URL: push.url, GITHUB_REF: push.commit}
    origin = FileOrigin(push.file, push.url, push.commit)
    manifest: Object = build(workflow, Kind.WORKFLOW, cluster, origin, values=values)
    manifest["spec"]["suspend"] = True
    manifest["metadata"]["annotations"][BRANCH] = push.branch
    return _name_after_push(manifest, push, WAITING)


def submit_once(api: Api, submission: Submission) -> objects.Workflow:
    """The Workflow of the submission's commit: created and started, or the one that existed.

    Raises InputError if the file is in no commit of a repository with a remote, and ClusterError.
    """
    origin, trigger = submission.origin, submission.workflow.trigger
    if not origin.url or not is_commit(origin.ref):
        raise InputError(
            f"{submission.workflow.path}: --once needs a file in a commit of a repository that has a remote"
        )
    branch = next(iter(trigger.branches), "") if trigger else ""
    push = Push(origin.url, branch, origin.ref, origin.file)
    workflow = create_workflow(api, _name_after_push(submission.manifest, push, STARTED))
    if workflow is None:
        raise disappearing_error(push)
    return workflow


def create_workflow(api: Api, manifest: Object) -> objects.Workflow | None:
    """The Workflow of that name: created, or the one that existed; None if that was deleted just now.

    Raises ClusterError, also if the Workflow that has the name is no run of that push.
    """
    name, push = manifest["metadata"]["name"], read_push(manifest["metadata"])
    workflow: objects.Workflow | None
    try:
        workflow = api.create(api.workflow_path(), manifest)
    except ApiError as error:
        if error.status != _CONFLICT:
            raise
        workflow = api.find(api.workflow_path(name))
    if workflow:
        existing = read_push(workflow["metadata"])
        if existing != push and (existing is None or push is None or existing.run != push.run):
            raise ClusterError(f"{api} has another Workflow {name}: delete it, so that the push can run")
    return workflow


def disappearing_error(push: Push) -> ClusterError:
    """The error for a Workflow that exists when it is created, and does not when it is read."""
    return ClusterError(f"Workflow {push.run} keeps disappearing: is something deleting it?")


def start_workflow(api: Api, workflow: objects.Workflow) -> None:
    """Let it run. Does nothing to a Workflow that runs."""
    body = {"metadata": {"labels": {TRIGGER: STARTED, REPORTED: None}}, "spec": {"suspend": None}}
    api.patch(api.workflow_path(workflow["metadata"]["name"]), body)


def discard_workflow(api: Api, workflow: objects.Workflow) -> None:
    """Delete a Workflow that never started and never will."""
    try:
        api.delete(api.workflow_path(workflow["metadata"]["name"]))
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise


def mark_reported(api: Api, workflow: objects.Workflow) -> None:
    """Note that its end has been reported to the git host. `textgen retry` takes the note away."""
    try:
        api.patch(
            api.workflow_path(workflow["metadata"]["name"]), {"metadata": {"labels": {REPORTED: "true"}}}
        )
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise


def is_waiting(workflow: objects.Workflow) -> bool:
    """Whether it was created and has not been started."""
    return (workflow["metadata"].get("labels") or {}).get(TRIGGER) == WAITING


def list_waiting(api: Api) -> list[objects.Workflow]:
    """The Workflows that were created and not started; perhaps they have no record."""
    return api.list_items(api.workflow_path(), labelSelector=f"{TRIGGER}={WAITING}")


def list_unreported(api: Api) -> list[objects.Workflow]:
    """The Workflows that have ended, and whose end was not reported."""
    selector = f"{TRIGGER}={STARTED},!{REPORTED},{ARGO_COMPLETED}=true"
    return api.list_items(api.workflow_path(), labelSelector=selector)


def read_push(metadata: objects.Metadata) -> Push | None:
    """The push that a Workflow runs for; None if it was made in another way."""
    text = (metadata.get("annotations") or {}).get(TRIGGER)
    try:
        return Push(**json.loads(text)) if text else None
    except (ValueError, TypeError):
        return None


def _name_after_push(manifest: Object, push: Push, state: str) -> Object:
    """The Workflow under the push's name, with the push in an annotation."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "generateName"}
    labels = {**metadata["labels"], TRIGGER: state}
    annotations = {**metadata["annotations"], TRIGGER: json.dumps(asdict(push), ensure_ascii=False)}
    metadata |= {"name": push.run, "labels": labels, "annotations": annotations}
    return {**manifest, "metadata": metadata}
