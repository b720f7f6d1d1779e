"""The cluster is the one of tests/cluster."""

import secrets
from collections.abc import Iterator

import pytest

from tests.cluster.conftest import cluster, controller
from tests.cluster.kubernetes import kubectl

__all__ = ["cluster", "controller"]


@pytest.fixture
def namespace(cluster: None) -> Iterator[str]:
    """An empty namespace."""
    name = f"test-overlay-{secrets.token_hex(3)}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")
