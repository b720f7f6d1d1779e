"""A real API server takes the overlays strictly, and `try` runs a workflow."""

import json
import shutil
from pathlib import Path

import pytest

from argo.compile import ClusterConfig, FileOrigin, Kind, Security, render
from argo.compile.workflow import build
from argo.language import load
from tests.cluster.kubernetes import images, kubectl, until

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
OVERLAYS = ("base", "overlays/try", "overlays/s3", "overlays/restricted")


def into(folder: Path, overlay: str, namespace: str) -> Path:
    """A kustomization of one's own, as docs/kubernetes.md has it: the overlay in another namespace."""
    shutil.copytree(ROOT / "k8s", folder / "k8s")
    (folder / "kustomization.yaml").write_text(
        f"namespace: {namespace}\nresources: [k8s/{overlay}]\n", "utf-8"
    )
    return folder


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_api_server_takes_an_overlay_strictly(overlay: str, namespace: str, tmp_path: Path) -> None:
    flags = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")
    found = kubectl("apply", *flags, "-k", str(into(tmp_path, overlay, namespace)))
    lines = found.splitlines()
    assert f"namespace/{namespace} serverside-applied (server dry run)" in lines
    assert len(lines) >= 12


def test_a_run_commits_to_the_minio_of_try(namespace: str, controller: None, tmp_path: Path) -> None:
    if not any("minio/minio:" in name for name in images()):
        pytest.skip("the cluster has no image of MinIO")
    kubectl(
        "apply", "--server-side", "--force-conflicts", "-k", str(into(tmp_path, "overlays/try", namespace))
    )
    kubectl("-n", namespace, "rollout", "status", "deployment/minio", "--timeout=300s")
    workflow = load(ROOT / "tests/compile/conformance/script.yaml")
    cluster, origin = ClusterConfig(security=Security.RESTRICTED), FileOrigin("script.yaml")
    made = render(build(workflow, Kind.WORKFLOW, cluster, origin), "script.yaml")
    run = json.loads(kubectl("-n", namespace, "create", "-o", "json", "-f", "-", text=made))["metadata"][
        "name"
    ]

    def ended() -> str:
        return kubectl("-n", namespace, "get", "workflow", run, "-o", "jsonpath={.status.phase}")

    until(lambda: ended() in {"Succeeded", "Failed", "Error"}, f"{run} to end", 600, every=1)
    assert ended() == "Succeeded"
