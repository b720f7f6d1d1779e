"""From a workflow file to a Workflow that the cluster holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from argo.cluster.api import Api, Object
from argo.compile import FileOrigin, Kind, build
from argo.compile.cluster_config import load_cluster_config
from argo.compile.origin import find_origin
from argo.language import Workflow, bind
from argo.object_names import GITHUB_REF, GITHUB_URL
from job.datasets import DatasetRef


@dataclass(frozen=True, slots=True)
class Submission:
    """What is to be created, what it was compiled from and where that lies, and the values of its inputs."""

    workflow: Workflow
    origin: FileOrigin
    values: Mapping[str, str | DatasetRef]
    made: Object


def prepare_submission(workflow: Workflow, cluster: Path | None, given: Mapping[str, str]) -> Submission:
    """Compile for the cluster that the file `cluster` describes. Raises InputError."""
    config = load_cluster_config(cluster)
    values = config.with_parameters(workflow.inputs, given)
    bound = bind(
        workflow, {name: value for name, value in values.items() if name not in {GITHUB_URL, GITHUB_REF}}
    )
    origin = find_origin(workflow, Kind.WORKFLOW)
    return Submission(workflow, origin, bound, build(workflow, Kind.WORKFLOW, config, origin, values=values))


def create_run(api: Api, submission: Submission) -> Object:
    """The run as the cluster has taken it. Raises ClusterError."""
    return api.create(api.workflow_path(), submission.made)
