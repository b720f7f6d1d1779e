"""A private repository over ssh, with the key of the namespace's Secret."""

from fractions import Fraction
from pathlib import Path

import pytest

from argo.compile import ClusterConfig, FileOrigin, Kind, Security, render
from argo.compile.workflow import build
from argo.language import load
from job.datasets import DatasetRef
from tests.checkout.servers import sshd
from tests.cluster.kubernetes import Namespace, kubectl, secret, this_host
from tests.git import committed

pytestmark = pytest.mark.cluster

WORKFLOW = """\
jobs:
  clone:
    uses: git-checkout@v1
    with: {url: context.event.github.url, ref: context.event.github.ref}
    outputs: {repo: {type: volume}}
  keep:
    uses: script@v1
    needs: [clone]
    inputs: {repo: clone.outputs.repo}
    outputs: {kept: {type: dataset, with: {ref: kept}}}
    with: {image: 'debian:12', script: 'cp /inputs/repo/file /outputs/kept/'}
"""


def test_the_key_of_the_secret_opens_a_private_repository(restricted: Namespace, tmp_path: Path) -> None:
    run_private_checkout(restricted, tmp_path)


def run_private_checkout(namespace: Namespace, tmp_path: Path) -> None:
    """Clone over ssh, and keep the file that is in the repository."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "file").write_text("private")
    committed(work)
    file = tmp_path / "private.yaml"
    file.write_text(WORKFLOW, "utf-8")
    with sshd(this_host(), tmp_path) as address:
        names = ("ssh-privatekey", "known_hosts")
        secret(namespace.name, "textgen-git", {name: (tmp_path / name).read_text() for name in names})
        try:
            cluster = ClusterConfig(security=Security.RESTRICTED, scale=Fraction(1, 16))
            origin = FileOrigin(file.name, f"{address}{work}/.git", "main")
            document = build(load(file), Kind.WORKFLOW, cluster, origin)
            run = namespace.create(render(document, file.name))
            status = namespace.ended(run)["status"]
        finally:
            kubectl("-n", namespace.name, "delete", "secret", "textgen-git")
    assert status["phase"] == "Succeeded", status
    namespace.datasets.fetch(namespace.datasets.resolve(DatasetRef("kept")), tmp_path / "kept")
    assert (tmp_path / "kept/file").read_text() == "private"
