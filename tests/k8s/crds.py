"""The definitions of Argo CD, Argo Events and Flux, for a cluster that lacks them."""

import gzip
from pathlib import Path

import pytest

from tests.cluster.kubernetes import kubectl, until

CRDS = Path(__file__).parents[3] / "shared" / "cluster" / "gitops-crds.json.gz"
NAMES = {
    *("applications.argoproj.io", "eventbus.argoproj.io", "eventsources.argoproj.io", "sensors.argoproj.io"),
    *("gitrepositories.source.toolkit.fluxcd.io", "kustomizations.kustomize.toolkit.fluxcd.io"),
}


def installed() -> None:
    """Put them into the cluster, where they stay: other tests may be about to use them."""
    found = kubectl("get", "crd", "-o", "name").replace("customresourcedefinition.apiextensions.k8s.io/", "")
    if not set(found.split()) >= NAMES:
        if not CRDS.exists():
            pytest.skip(
                "neither the cluster nor this machine has the definitions of Argo CD, Argo Events and Flux"
            )
        kubectl("apply", "--server-side", "-f", "-", text=gzip.decompress(CRDS.read_bytes()).decode())
    # of a resource that has no status yet, `kubectl wait` says that it can't be read
    wait = ("wait", "--for=condition=Established", "--timeout=300s", "crd", *NAMES)
    until(lambda: kubectl(*wait, check=False).count("condition met") == len(NAMES), "CRDs", 300)
