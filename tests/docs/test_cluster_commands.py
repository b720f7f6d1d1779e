"""Every command that a page shows in a ```console cluster block runs, in order, on a real cluster."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kubernetes import images, kubectl, shared_namespace
from tests.docs.pages import PAGES, ROOT, commands, environment
from tests.git import git
from tests.k8s import crds

pytestmark = pytest.mark.cluster

OTHERS = ("argocd", "flux-system")  # where Argo CD and Flux look for what they are to sync


@pytest.fixture(scope="module")
def applied(controller: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the pages start from: `kubectl apply -k k8s/overlays/try`, and images on the nodes."""
    held = str(images())
    for name in ("minio/minio:", "library/textgen:", "library/textgen-job-cpu:"):
        if name not in held:
            pytest.skip(f"the cluster has no image {name.removesuffix(':')}")
    if not shutil.which("argo"):
        pytest.skip("no argo on PATH")
    crds.installed()
    with shared_namespace(tmp_path_factory.getbasetemp()) as name:
        kubectl("apply", "-k", str(ROOT / "k8s/overlays/try"))
        for other in OTHERS:
            kubectl("create", "namespace", other)
        try:
            kubectl("-n", name, "rollout", "status", "deployment/minio", "--timeout=300s")
            yield
        finally:
            kubectl("delete", "namespace", *OTHERS, "--timeout=300s")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if commands(page, "console cluster")], ids=lambda page: page.stem
)
def test_the_commands_of_a_page_run_on_a_cluster(
    page: Path, applied: None, git_server: tuple[Path, str], checkout: Path, tmp_path: Path
) -> None:
    folder, url = git_server
    mirror = folder / f"{page.stem}.git"
    git(checkout, "clone", "-q", "--bare", ".", str(mirror))
    git(checkout, "remote", "add", "origin", f"{url}/{mirror.name}")
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/deploy").write_text("a key\n")
    config = tmp_path / "config"
    shutil.copy(os.environ["KUBECONFIG"], config)
    script = "\n".join(
        (
            "set -euo pipefail; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT",
            *commands(page, "console(?: cluster)?"),
        )
    )
    done = subprocess.run(
        ["timeout", "600", "bash", "-xc", script],
        cwd=checkout,
        env={**environment(tmp_path), "KUBECONFIG": str(config), "TOKEN": "a token"},
        input="a value\n",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
