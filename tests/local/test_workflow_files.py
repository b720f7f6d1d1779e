"""Whole files, run as they are; their scripts stand in for programs that are not here."""

from pathlib import Path

import pytest

from job.datasets import DatasetRef
from tests.local.conftest import Outcome, Repository
from tests.workflow_files import CORPUS, WORKFLOWS, needs_corpus


@pytest.fixture(autouse=True)
def _no_package_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")


def run(repository: Repository, file: Path, *env: str) -> Outcome:
    return repository.run(file.read_text("utf-8"), env=env)


def commit(repository: Repository, dataset: str, path: str, text: str) -> None:
    folder = repository.root.parent / dataset
    (folder / path).parent.mkdir(parents=True)
    (folder / path).write_text(text)
    repository.datasets.commit_version(DatasetRef.parse(dataset), folder, lineage={})


def test_a_string_reaches_the_next_job(repository: Repository) -> None:
    assert "a string of say" in run(repository, WORKFLOWS / "string_output.yaml").log("hear")


@needs_corpus
def test_the_documents_example_of_a_string(repository: Repository) -> None:
    name = "docs__Paperspace-Docs-gradient-next__understanding-inputs-and-outputs__06.yaml"
    assert "string output from job-1" in run(repository, CORPUS / name).log("job-2")


def test_a_file_with_every_section(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("greeting", "from-a-secret")
    commit(repository, "words", "a/file", "x")
    outcome = run(repository, WORKFLOWS / "every_section.yaml", "greeting")
    assert outcome.record.phase == "Succeeded"
    assert outcome.log("count").splitlines()[1] == "a title"
    assert repository.files("file-list")["list.txt"].splitlines()[-1] == "/inputs/words/a/file"
    assert outcome.log("summarize").splitlines()[-2:] == ["1 /inputs/files/list.txt", "LINE *** there"]


@needs_corpus
def test_the_documents_example_of_everything(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("hello", "from-a-secret")
    commit(repository, "test-one", "a/file", "x")
    name = "docs__Paperspace-Docs-hist-20211202-4cd46f5__workflow-spec__01.yaml"
    outcome = run(repository, CORPUS / name, "hello")
    assert outcome.record.phase == "Succeeded"
    assert outcome.log("job-1").splitlines()[1] == "hello world"
    assert repository.files("test-two")["list.txt"].splitlines()[-1] == "/inputs/data/a/file"
    assert outcome.log("job-2").splitlines()[-2:] == ["3 /inputs/data2/list.txt", "ENV *** test"]


TRAIN = """
import pathlib, sys
layers, epochs = (word.partition("=")[2] for word in sys.argv[1:])
pathlib.Path("model").mkdir()
pathlib.Path(f"model/{NET}{layers}-epochs-{epochs}.pth").write_text(layers)
"""
TEST = """
import pathlib, sys
path = pathlib.Path(sys.argv[2])
pathlib.Path("{RESULTS}").mkdir(exist_ok=True)
pathlib.Path("{RESULTS}", f"{path.stem}.json").write_text(sys.argv[3])
"""
COMPARE = """
import pathlib
results = sorted(pathlib.Path("/inputs/{RESULTS}").iterdir())
print("compared", *(path.name for path in results))
pathlib.Path("/outputs/model-id").write_text(results[0].read_text())
"""
DEPLOY = "import sys; print('deploying', sys.argv[1])"


def run_nine_jobs(
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
    file: Path,
    url: str,
    scripts: dict[str, str],
    images: str,
    variable: str,
) -> tuple[Repository, Outcome]:
    """Run a file outside of a repository, with `url` for a repository that has the scripts."""
    for name, text in scripts.items():
        repository.write(name, text)
    repository.commit()
    config = repository.root.parent / "gitconfig"
    config.write_text(f'[url "{repository.root.as_uri()}"]\n insteadOf = {url}\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    outside = Repository(repository.root.parent / "outside")
    outside.root.mkdir()
    monkeypatch.chdir(outside.root)
    commit(outside, images, "data", "images")
    return outside, run(outside, file, variable)


def test_nine_jobs_with_models_that_clone_from_afar(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a dataset of the same run, and scripts that write into their inputs."""
    variable = "comparison_api_key"
    monkeypatch.setenv(variable, "key")
    url = "https://git.example/team/networks"  # in the file's own `context`
    scripts = {
        "train.py": TRAIN.replace("{NET}", "net"),
        "test.py": TEST.replace("{RESULTS}", "results"),
        "compare.py": COMPARE.replace("{RESULTS}", "results"),
        "deploy.py": DEPLOY,
    }
    file = WORKFLOWS / "model_comparison.yaml"
    outside, outcome = run_nine_jobs(repository, monkeypatch, file, url, scripts, "dsimages0000001", variable)
    phases = outcome.phases()
    assert phases.pop("Deploy") == "Failed"  # calls a service that is closed
    assert set(phases.values()) == {"Succeeded"}
    assert "compared net18-epochs-10.json net34-epochs-10.json" in outcome.log("Compare")
    model = outcome.record.jobs["RegisterSmall"].outputs["model-id"]
    assert outside.files(model) == {"net18-epochs-10.pth": "18"}
    assert f"deploying --id=--id={model}" in outcome.log("Deploy")
    checkouts = outside.manifest("dssmallmodel001").lineage["checkouts"]
    assert isinstance(checkouts, dict)
    assert checkouts["CloneRepo"]["repository"] == url


@needs_corpus
def test_a_real_file_of_nine_jobs(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = "jr_gradient_api_key"
    monkeypatch.setenv(variable, "key")
    url = "https://github.com/joshua-paperspace/ResNet-PyTorch"
    scripts = {
        "train_model_wandb.py": TRAIN.replace("{NET}", "resnet"),
        "test_model.py": TEST.replace("{RESULTS}", "test-results"),
        "print_test_results.py": COMPARE.replace("{RESULTS}", "test-results"),
        "write_deployment_file.py": DEPLOY,
    }
    file = CORPUS / "joshua-paperspace__ResNet-PyTorch__pipeline.yaml"
    outside, outcome = run_nine_jobs(repository, monkeypatch, file, url, scripts, "dsrzkbpudtxoz5q", variable)
    phases = outcome.phases()
    assert phases.pop("DeployModel") == "Failed"
    assert set(phases.values()) == {"Succeeded"}
    assert "compared resnet18-epochs-10.json resnet34-epochs-10.json" in outcome.log("CompareModels")
    model = outcome.record.jobs["UploadResNet18"].outputs["model-id"]
    assert outside.files(model) == {"resnet18-epochs-10.pth": "18"}
    assert f"deploying --id=--id={model}" in outcome.log("DeployModel")
    checkouts = outside.manifest("dsrsgtp083suuyu").lineage["checkouts"]
    assert isinstance(checkouts, dict)
    assert checkouts["CloneRepo"]["repository"] == url
