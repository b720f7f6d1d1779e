"""A workflow as plain Argo YAML, built with Hera.

checkouts that need no pod (inline_checkouts) → what each pod's containers do (compiled_job, specs,
main_container) → what the cluster can't run of it (check) → one template a job (pod) → the object (workflow)
→ its YAML (rendering). What a person typed stays data on the whole way (escaping).

argo.compile.workflow has `build`. This package does not import it: it imports Hera, which takes a second.
"""

from argo.compile.cluster_config import ClusterConfig, Security
from argo.compile.origin import FileOrigin, Kind
from argo.compile.rendering import render

__all__ = ["ClusterConfig", "FileOrigin", "Kind", "Security", "render"]
