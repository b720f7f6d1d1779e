"""Each rule of the language, on a real Argo and on this machine: the same files come out."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from argo.compile import ClusterConfig, FileOrigin, Kind, Security, render
from argo.compile.cluster_config import SharedClaim
from argo.compile.workflow import build
from argo.language import Workflow, load
from argo.language.model import Container, CreateModel
from job.datasets import DatasetRef, Datasets
from job.errors import UnknownReferenceError
from tests.cluster.kubernetes import Namespace, kubectl, make_bucket, secret
from tests.git import committed, git

pytestmark = pytest.mark.cluster

WORKFLOWS = sorted((Path(__file__).parents[1] / "compile" / "conformance").glob("*.yaml"))
FAILING = {"failure", "failed-checkout", "empty"}
VALUES = {"inputs": {"given": "{{workflow.name}} {{=1+1}} {{ 'q\"`\n\x1b\x07\t😀 $(HOME)"}}
SECRET = "pa$$ $(HOME) {{workflow.name}} 'word\""  # noqa: S105
CLUSTER = ClusterConfig(
    security=Security.RESTRICTED,
    scale=Fraction(1, 16),
    shared=SharedClaim(storage_class="textgen-tests", size="1Gi"),
)


@dataclass(frozen=True)
class Submitted:
    """A conformance workflow, as it was given to the cluster."""

    workflow: Workflow
    run: str
    secrets: Mapping[str, str]


@pytest.fixture(scope="module")
def submitted(
    restricted: Namespace,
    git_server: tuple[Path, str],
    cluster_s3: Any,
    shared_claims: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Submitted]:
    """All of them at once: the cluster runs them while the tests look at one after the other."""
    folder, url = git_server
    _repository(folder / "code.git", tmp_path_factory.mktemp("code"))
    make_bucket(cluster_s3, "conformance")
    for key in ("tree/top", "tree/deep/er/file", "treetop"):
        cluster_s3.put_object(Bucket="conformance", Key=key, Body=key.encode())
    values = {
        "TEST_TOKEN": SECRET,
        "S3_ACCESS_KEY": os.environ["AWS_ACCESS_KEY_ID"],
        "S3_SECRET_KEY": os.environ["AWS_SECRET_ACCESS_KEY"],
    }
    secret(restricted.name, "textgen-secrets", values)
    folder = tmp_path_factory.mktemp("conformance")
    runs = {}
    for file in WORKFLOWS:
        copy = folder / file.name
        text = file.read_text("utf-8").replace("git://repository.test", url)
        copy.write_text(text.replace("http://s3.test:9000", os.environ["S3_ENDPOINT"]), "utf-8")
        workflow = load(copy)
        document = build(
            workflow, Kind.WORKFLOW, CLUSTER, FileOrigin(file.name), values=VALUES.get(file.stem, {})
        )
        runs[file.stem] = Submitted(workflow, restricted.create(render(document, file.name)), values)
    return runs


@pytest.fixture(scope="module")
def shared_claims(controller: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A volume that all of a run's pods may write to: the test node has no provisioner."""
    folder = tmp_path_factory.mktemp("volume")
    folder.chmod(0o777)
    volume = f"""
apiVersion: v1
kind: PersistentVolume
metadata: {{name: textgen-tests}}
spec:
  accessModes: [ReadWriteMany]
  capacity: {{storage: 1Gi}}
  storageClassName: textgen-tests
  persistentVolumeReclaimPolicy: Retain
  hostPath: {{path: {folder}}}
"""
    kubectl("delete", "pv", "textgen-tests", "--ignore-not-found", "--wait=false")
    kubectl("create", "-f", "-", text=volume)
    yield
    kubectl("delete", "pv", "textgen-tests", "--wait=false")


@pytest.mark.parametrize("name", [file.stem for file in WORKFLOWS])
def test_a_workflow_gives_the_same_files_on_the_cluster_and_on_this_machine(
    name: str, submitted: dict[str, Submitted], restricted: Namespace, tmp_path: Path
) -> None:
    one = submitted[name]
    local = _run_here(one, VALUES.get(name, {}), tmp_path)
    status = restricted.ended(one.run)["status"]
    failed = {node["displayName"]: node.get("message") for node in status["nodes"].values()}
    assert status["phase"] == ("Failed" if name in FAILING else "Succeeded"), failed
    for dataset in _datasets(one.workflow):
        remote = _files(restricted.datasets, dataset, tmp_path / "there")
        assert remote == _files(local, dataset, tmp_path / "here"), dataset


def test_texts_arrive_byte_for_byte(
    submitted: dict[str, Submitted], restricted: Namespace, tmp_path: Path
) -> None:
    one = submitted["arguments"]
    restricted.ended(one.run)
    job = one.workflow.jobs["run"]
    assert isinstance(job.action, Container)
    files = _files(restricted.datasets, DatasetRef("arguments"), tmp_path)
    names = ("SHARED", "OVER", "PLAIN", "BRACES", "CONTROL", "LINES")
    env = "".join(f"{job.env[name]}\0" for name in names).encode()
    assert files["env"] == (env, False)
    words = "".join(f"{word}\0" for word in job.action.args[3:]).encode()
    assert files["arguments"] == (words, False)
    restricted.ended(submitted["inputs"].run)
    inputs = _files(restricted.datasets, DatasetRef("inputs"), tmp_path / "inputs")
    assert inputs["three"] == (VALUES["inputs"]["given"].encode(), False)


def _run_here(one: Submitted, values: Mapping[str, str], folder: Path) -> Datasets:
    """`textgen run` of the same file, into a store of its own."""
    secrets = folder / "secrets"
    store = (folder / "store").as_uri()
    secrets.write_text("".join(f"{name}={value}\n" for name, value in one.secrets.items()), "utf-8")
    project = folder / "project"
    project.mkdir()
    file = project / one.workflow.path.name
    file.write_bytes(one.workflow.path.read_bytes())
    parameters = [word for name, value in values.items() for word in ("-p", f"{name}={value}")]
    subprocess.run(
        [sys.executable, "-m", "argo", "run", str(file), "--secrets", str(secrets), "--quiet", *parameters],
        cwd=project,
        env={**os.environ, "TEXTGEN_STORE": store},
        check=False,
        timeout=600,
        capture_output=True,
    )
    return Datasets.at(store)


def _datasets(workflow: Workflow) -> list[DatasetRef]:
    """Every dataset that the workflow writes."""
    written = [
        each.dataset for job in workflow.jobs.values() for each in job.outputs.values() if each.dataset
    ]
    models = [DatasetRef(j.action.name) for j in workflow.jobs.values() if isinstance(j.action, CreateModel)]
    return list(dict.fromkeys([DatasetRef(ref.name, "latest", ref.namespace) for ref in written] + models))


def _files(datasets: Datasets, ref: DatasetRef, folder: Path) -> dict[str, tuple[bytes, bool]]:
    """The files of the newest version: bytes and whether they can be run; none if there is no version."""
    target = folder / ref.name
    try:
        datasets.fetch(datasets.resolve(ref), target)
    except UnknownReferenceError:
        return {}
    return {
        str(path.relative_to(target)): (path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))
        for path in sorted(target.rglob("*"))
        if path.is_file() and ".git" not in path.parts
    }


def _repository(bare: Path, work: Path) -> None:
    """A repository of two commits; the tag `first` is the first."""
    for text in ("first", "second"):
        (work / "README.md").write_text(f"{text}\n", "utf-8")
        committed(work)
        if text == "first":
            git(work, "tag", "first")
    git(work, "clone", "--quiet", "--bare", ".", str(bare))
