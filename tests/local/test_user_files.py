"""What a job sees of the user's own files: models and certificates that the user names, and nothing else."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from argo.local import model_cache
from job.errors import InputError
from tests.local.conftest import Repository, script, workflow

HEAD = "inputs: {model: {type: string, with: {value: none}}}\n"
JOB = script('find "$(cat /inputs/model)"', inputs="{model: workflow.inputs.model}")


def named(value: object) -> list[Path]:
    """The paths that jobs see for this value of a parameter."""
    return [mount.source for mount in model_cache.model_mounts({"model": str(value)}, Path("/nonexistent"))]


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "files"
    for name in ("model/config.json", "model/model.safetensors", "keys/config.json", "model.gguf", "secret"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    yield folder


@pytest.mark.parametrize(("name", "count"), [("model", 3), ("model.gguf", 1), ("keys", 0), ("secret", 0)])
def test_a_parameter_gives_a_job_a_model_and_no_other_folder(
    repository: Repository, files: Path, name: str, count: int
) -> None:
    outcome = repository.run(HEAD + workflow(job=JOB), parameters={"model": str(files / name)})
    found = [line for line in outcome.log("job").splitlines() if line.startswith(str(files))]
    assert len(found) == count


def test_all_parts_of_a_split_model_are_given(tmp_path: Path) -> None:
    parts = [tmp_path / f"[x]-0000{number}-of-00002.gguf" for number in (1, 2)]
    for path in (*parts, tmp_path / "[x]-00001-of-00003.gguf", tmp_path / "x-00002-of-00002.gguf"):
        path.touch()
    assert named(parts[1]) == parts


@pytest.mark.parametrize("text", ["none", "/", "a\0b", "/" + "x" * 5000, "/tmp/../etc", ""])
def test_a_text_that_is_no_model_is_no_mount(text: str) -> None:
    assert named(text) == []


@pytest.mark.parametrize("name", ["model", "model.gguf"])
def test_a_default_of_the_file_gives_a_job_nothing(repository: Repository, files: Path, name: str) -> None:
    outcome = repository.run(HEAD.replace("none", str(files / name)) + workflow(job=JOB))
    assert outcome.phases() == {"job": "Failed"}
    assert "No such file" in outcome.log("job")


@pytest.mark.parametrize("name", ["key.gguf", "link/model.gguf", "link/model", "x-00001-of-00002.gguf"])
def test_a_link_to_a_model_is_refused_before_the_run(repository: Repository, files: Path, name: str) -> None:
    (repository.root / "link").symlink_to(files)
    (repository.root / "x-00001-of-00002.gguf").touch()
    for link in ("key.gguf", "x-00002-of-00002.gguf"):
        (repository.root / link).symlink_to(files / "secret")
    with pytest.raises(
        InputError, match=rf"^-p model={repository.root}/.*: a link to {files}/.*; give the model"
    ):
        repository.run(HEAD + workflow(job=JOB), parameters={"model": str(repository.root / name)})
    assert not (repository.root / ".textgen/runs").exists()


def test_a_model_that_jobs_can_change_is_refused(repository: Repository) -> None:
    path = repository.write(".textgen/storage/model.gguf", "")
    with pytest.raises(InputError, match=r"storage/model.gguf: jobs can change it; give its path in a job"):
        repository.run(HEAD + workflow(job=JOB), parameters={"model": str(path)})


@pytest.mark.parametrize("path", ["/proc/self/cwd", "/proc/self/root{}"])
def test_a_path_that_means_another_file_in_each_process_is_a_link(
    files: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(files)
    with pytest.raises(InputError, match="a link to"):
        named(f"{path.format(files)}/model.gguf")


@pytest.mark.parametrize("name", ["", "model.gguf"])
def test_a_model_in_the_users_own_cache_is_given_with_what_its_links_lead_to(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    model = tmp_path / "hub/models--a--b"
    snapshot = model / "snapshots/1"
    for folder in (snapshot, model / "blobs"):
        folder.mkdir(parents=True)
    for number, file in enumerate(("config.json", "model.safetensors", "model.gguf")):
        (model / f"blobs/{number}").write_text("weights")
        (snapshot / file).symlink_to(f"../../blobs/{number}")
    job = script(
        'cat $(cat /inputs/model)*/model.gguf || cat "$(cat /inputs/model)"',
        inputs="{model: workflow.inputs.model}",
    )
    outcome = repository.run(HEAD + workflow(job=job), parameters={"model": str(snapshot / name)})
    assert outcome.log("job").splitlines()[-1] == "weights"


def test_a_job_reads_certificates_of_the_users_variable_and_not_of_the_files(
    repository: Repository, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = shutil.copy(files / "secret", files / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    text = 'cat "$SSL_CERT_FILE" && echo read'
    theirs = script(text, env=f"{{SSL_CERT_FILE: {files / 'secret'}}}")
    outcome = repository.run(workflow(mine=script(text), theirs=theirs))
    assert outcome.phases() == {"mine": "Succeeded", "theirs": "Failed"}
