"""A workflow as plain Argo YAML, built with Hera.

checkouts that need no pod (fold) → what each pod's containers do (steps, container) → one template a job
(pod) → the object (workflow) → its YAML (rendering). What a person typed stays data on the whole way (text).
"""

from argo.compile.cluster_config import ClusterConfig, Security
from argo.compile.origin import FileOrigin, Kind
from argo.compile.rendering import render
from argo.compile.workflow import build

__all__ = ["ClusterConfig", "FileOrigin", "Kind", "Security", "build", "render"]
