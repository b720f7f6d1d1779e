"""The cluster is the one of tests/cluster."""

from tests.cluster.conftest import cluster, controller

__all__ = ["cluster", "controller"]
