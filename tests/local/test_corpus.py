"""Files that people wrote, run as they are; their scripts stand in for programs that are not here.

The files are read from beside the repository, and these tests skipped where they are not there.
"""

from pathlib import Path

import pytest

from job.datasets import DatasetRef
from tests.local.conftest import Outcome, Repository

CORPUS = Path(__file__).parents[3] / "shared/corpus"

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the collected files are not here")


@pytest.fixture(autouse=True)
def _no_package_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")


def run(repository: Repository, name: str) -> Outcome:
    return repository.run((CORPUS / f"{name}.yaml").read_text("utf-8"))


def dataset(repository: Repository, name: str, path: str, text: str) -> None:
    folder = repository.root.parent / name
    (folder / path).parent.mkdir(parents=True)
    (folder / path).write_text(text)
    repository.datasets.commit_version(DatasetRef.parse(name), folder, lineage={})


def test_the_documents_example_of_a_string(repository: Repository) -> None:
    outcome = run(repository, "docs__Paperspace-Docs-gradient-next__understanding-inputs-and-outputs__06")
    assert "string output from job-1" in outcome.log("job-2")


def test_the_documents_example_of_everything(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("hello", "from-a-secret")
    dataset(repository, "test-one", "a/file", "x")
    outcome = run(repository, "docs__Paperspace-Docs-hist-20211202-4cd46f5__workflow-spec__01")
    assert outcome.record.phase == "Succeeded"
    assert outcome.log("job-1").splitlines()[1] == "hello world"
    assert repository.files("test-two")["list.txt"].splitlines()[-1] == "/inputs/data/a/file"
    assert outcome.log("job-2").splitlines()[-2:] == ["3 /inputs/data2/list.txt", "ENV *** test"]


TRAIN = """
import pathlib, sys
layers, epochs = (word.partition("=")[2] for word in sys.argv[1:])
pathlib.Path("model").mkdir()
pathlib.Path(f"model/resnet{layers}-epochs-{epochs}.pth").write_text(layers)
"""
TEST = """
import pathlib, sys
path = pathlib.Path(sys.argv[2])
pathlib.Path("test-results").mkdir(exist_ok=True)
pathlib.Path("test-results", f"{path.stem}.json").write_text(sys.argv[3])
"""
COMPARE = """
import pathlib
found = sorted(pathlib.Path("/inputs/test-results").iterdir())
print("compared", *(path.name for path in found))
pathlib.Path("/outputs/model-id").write_text(found[0].read_text())
"""


def test_a_file_of_nine_jobs_that_clones_from_afar(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With models, a dataset of the same run, and scripts that write into their inputs."""
    repository.write("train_model_wandb.py", TRAIN)
    repository.write("test_model.py", TEST)
    repository.write("print_test_results.py", COMPARE)
    repository.write("write_deployment_file.py", "import sys; print('deploying', sys.argv[1])")
    repository.commit()
    far = "https://github.com/joshua-paperspace/ResNet-PyTorch"  # in the file's own `context`
    config = tmp_path / "gitconfig"
    config.write_text(f'[url "{repository.root.as_uri()}"]\n insteadOf = {far}\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("jr_gradient_api_key", "key")
    outside = Repository(tmp_path / "outside")
    outside.root.mkdir()
    monkeypatch.chdir(outside.root)
    dataset(outside, "dsrzkbpudtxoz5q", "data", "cifar")
    outcome = run(outside, "joshua-paperspace__ResNet-PyTorch__pipeline")
    phases = outcome.phases()
    assert phases.pop("DeployModel") == "Failed"  # calls a service that is closed
    assert set(phases.values()) == {"Succeeded"}
    assert "compared resnet18-epochs-10.json resnet34-epochs-10.json" in outcome.log("CompareModels")
    model = outcome.record.jobs["UploadResNet18"].outputs["model-id"]
    assert outside.files(model) == {"resnet18-epochs-10.pth": "18"}
    assert f"deploying --id=--id={model}" in outcome.log("DeployModel")
    checkouts = outside.manifest("dsrsgtp083suuyu").lineage["checkouts"]
    assert isinstance(checkouts, dict)
    assert checkouts["CloneRepo"]["repository"] == far
