"""Real workflow files, as they are but for the URL of their repository, whose code is a stand-in here."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from job.datasets import DatasetRef
from tests.cluster.command import Command
from tests.cluster.kubernetes import Namespace, namespace, secret
from tests.git import committed, git
from tests.workflow_files import CORPUS

pytestmark = pytest.mark.cluster

WRITE = "import os, pathlib, sys\npathlib.Path({path!r}).write_text(repr((sys.argv[1:], {value})))\n"


@dataclass(frozen=True)
class RealFile:
    """A file of the corpus, the script of its repository, and what the script writes into a dataset."""

    name: str
    url: str
    script: str
    folder: str
    value: str
    dataset: str
    content: str


FILES = [
    RealFile(
        "gradient-ai__stylegan2__stylegan2.yaml",
        "https://github.com/gradient-ai/stylegan2.git",
        "run_generator.py",
        "/outputs/generatedFaces",
        "os.getcwd()",
        "demo-dataset",
        "(['generate-images', '--network=gdrive:networks/stylegan2-ffhq-config-f.pkl', '--seeds=6600-6605', "
        "'--truncation-psi=0.5', '--result-dir=/outputs/generatedFaces'], '/inputs/stylegan2')",
    ),
    RealFile(
        "gradient-ai__Deep-Learning-Recommender-TF__workflow-train-model.yaml",
        "https://github.com/gradient-ai/Deep-Learning-Recommender-TF",
        "workflow_train_model.py",
        "/outputs/trainedRecommender",
        "(os.getcwd(), os.environ['HP_FINAL_EPOCHS'], os.environ['PAPERSPACE_API_KEY'])",
        "recommender",
        "([], ('/Deep-Learning-Recommender-TF', '50', 'a key'))",
    ),
]


@pytest.fixture(scope="module")
def gradient(controller: None, cluster_s3: object) -> Iterator[Namespace]:
    """A namespace with the secrets that the files name."""
    with namespace("baseline", os.environ["S3_ENDPOINT"]) as created:
        secret(created.name, "textgen-secrets", {"api_key_recommender": "a key"})
        yield created


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.dataset)
def test_a_real_file_runs(
    file: RealFile, gradient: Namespace, git_server: tuple[Path, str], tmp_path: Path
) -> None:
    source = CORPUS / file.name
    if not source.is_file():
        pytest.skip("the corpus of real workflow files is not here")
    served, url = git_server
    work, clone = tmp_path / "work", tmp_path / "clone"
    for folder in (work, clone):
        folder.mkdir()
    (work / file.script).write_text(WRITE.format(path=f"{file.folder}/made", value=file.value))
    committed(work)
    git(work, "clone", "-q", "--bare", ".", str(served / f"{file.dataset}.git"))
    text = source.read_text("utf-8")
    assert text.count(f"url: {file.url}\n") == 1
    text = text.replace(f"url: {file.url}\n", f"url: {url}/{file.dataset}.git\n")
    (clone / "workflow.yaml").write_text(text, "utf-8")
    (clone / "cluster.yaml").write_text("scale: 1/16\n")
    (clone / ".textgen").mkdir()
    Command(clone, gradient)("submit", "workflow.yaml", "--cluster", "cluster.yaml")
    version = gradient.datasets.resolve(DatasetRef(file.dataset))
    gradient.datasets.fetch(version, tmp_path / "fetched")
    assert (tmp_path / "fetched/made").read_text() == file.content
