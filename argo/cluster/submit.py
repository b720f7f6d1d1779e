"""From a workflow file to a Workflow that the cluster holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from argo import repository
from argo.cluster import objects
from argo.cluster.api import Api, Object
from argo.compile import FileOrigin, Kind
from argo.compile.cluster_config import load_cluster_config
from argo.compile.lint import find_skipped_entrypoints
from argo.compile.origin import find_origin
from argo.compile.workflow import build
from argo.kubernetes_names import BRANCH, GITHUB_REF, GITHUB_URL
from argo.language import Diagnostic, Workflow, bind_inputs
from job.datasets import DatasetRef


@dataclass(frozen=True, slots=True)
class Submission:
    """A Workflow that is ready to be created (`manifest`), the file that it comes from, and its inputs.

    `warnings` are of what the cluster does otherwise than this machine.
    """

    workflow: Workflow
    origin: FileOrigin
    values: Mapping[str, str | DatasetRef]
    manifest: Object
    warnings: tuple[Diagnostic, ...]


def prepare_submission(workflow: Workflow, cluster: Path | None, parameters: Mapping[str, str]) -> Submission:
    """Compile the workflow with the cluster configuration file `cluster`. Raises InputError."""
    config = load_cluster_config(cluster)
    values = config.with_parameters(workflow.inputs, parameters)
    inputs = {name: value for name, value in values.items() if name not in {GITHUB_URL, GITHUB_REF}}
    bound = bind_inputs(workflow, inputs)
    origin = find_origin(workflow, Kind.WORKFLOW)
    manifest = build(workflow, Kind.WORKFLOW, config, origin, values=parameters)
    root = repository.find_root(workflow.path.parent)
    branch = repository.find_branch(root) if root else ""
    if branch and values.keys().isdisjoint({GITHUB_URL, GITHUB_REF}):
        manifest["metadata"]["annotations"][BRANCH] = branch
    return Submission(workflow, origin, bound, manifest, tuple(find_skipped_entrypoints(workflow, config)))


def create_run(api: Api, submission: Submission) -> objects.Workflow:
    """The Workflow that was created. Raises ClusterError."""
    created: objects.Workflow = api.create(api.workflow_path(), submission.manifest)
    return created
