"""What holds for every test."""

import pytest


@pytest.fixture(autouse=True)
def no_cluster(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that the person at this machine works with is no test's business."""
    if not request.node.get_closest_marker("cluster"):
        monkeypatch.setenv("KUBECONFIG", "/dev/null")
