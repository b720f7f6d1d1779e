"""From a workflow file to a Workflow that the cluster holds."""

from collections.abc import Mapping
from pathlib import Path

from argo.cluster.api import Api, Object
from argo.compile import Cluster, Kind, compile
from argo.compile import cluster as clusters
from argo.compile.origin import find
from argo.language import Workflow


def compiled(workflow: Workflow, cluster: Path | None, values: Mapping[str, str]) -> Object:
    """The object to create. Raises InputError for what can't be compiled."""
    import yaml

    found = Cluster(**clusters.read(cluster)) if cluster else Cluster()
    known = {name: value for name, value in found.parameters.items() if name in workflow.inputs}
    text = compile(workflow, Kind.WORKFLOW, found, find(workflow, Kind.WORKFLOW), values={**known, **values})
    made: Object = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    return made


def create(api: Api, made: Object) -> Object:
    """The run as the cluster has taken it. Raises ClusterError."""
    return api.create(api.workflows(), made)
