"""This repository's own workflow, in the light image: the text is what this machine generates."""

import subprocess
import sys
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import pytest

from argo.compile import ClusterConfig, FileOrigin, Kind, Security, render
from argo.compile.workflow import build
from argo.language import load
from job.datasets import DatasetRef, Datasets
from tests.cluster.kubernetes import Namespace, images
from tests.git import git

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
FILE = Path(".gradient/workflows/nlp-text-generation.yaml")
MODEL = "smollm2-135m"
IMAGE = f"textgen-job-cpu:{version('argo-textgen')}"


def test_the_cluster_generates_the_same_text_as_this_machine(
    restricted: Namespace, git_server: tuple[Path, str], tmp_path: Path
) -> None:
    if f"library/{IMAGE}" not in str(images()):
        pytest.skip(f"the cluster has no image {IMAGE}")
    folder, url = git_server
    clone = tmp_path / "clone"
    git(ROOT, "clone", "-q", "--bare", ".", str(folder / "own.git"))
    git(folder, "clone", "-q", f"{url}/own.git", str(clone))
    commit = git(clone, "rev-parse", "HEAD")

    instead = {IMAGE.replace("-cpu", ""): IMAGE}
    cluster = ClusterConfig(security=Security.RESTRICTED, scale=Fraction(1, 4), images=instead)
    origin = FileOrigin(str(FILE), f"{url}/own.git", commit)
    document = build(load(clone / FILE), Kind.WORKFLOW, cluster, origin, values={"model": MODEL})
    run = restricted.create(render(document, FILE.name))
    command = [sys.executable, "-m", "argo", "run", str(FILE), "-p", f"model={MODEL}"]
    subprocess.run(command, cwd=clone, check=True, capture_output=True)
    assert restricted.ended(run)["status"]["phase"] == "Succeeded"

    for name, datasets in (
        ("there", restricted.datasets),
        ("here", Datasets.at(f"file://{clone}/.textgen/datasets")),
    ):
        datasets.fetch(datasets.resolve(DatasetRef("demo-dataset")), tmp_path / name)
    assert files(tmp_path / "there") == files(tmp_path / "here")


def files(folder: Path) -> dict[str, bytes]:
    """The results; run.json says when, and how fast."""
    contents = {
        str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()
    }
    assert contents.pop("run.json")
    return contents
