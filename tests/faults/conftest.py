"""What clusters do to a run, on the cluster of tests/cluster."""

from tests.cluster.conftest import cluster, controller, restricted, s3

__all__ = ["cluster", "controller", "restricted", "s3"]
