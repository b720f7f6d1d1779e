"""A namespace of the cluster for each test."""

import secrets
from collections.abc import Iterator

import pytest

from tests.cluster.kubernetes import kubectl


@pytest.fixture
def namespace(cluster: None) -> Iterator[str]:
    """An empty namespace."""
    name = f"test-overlay-{secrets.token_hex(3)}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")
