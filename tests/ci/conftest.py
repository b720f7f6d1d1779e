"""The cluster is the one of tests/cluster."""

from tests.cluster.conftest import baseline, cluster, controller, s3, served

__all__ = ["baseline", "cluster", "controller", "s3", "served"]
