"""What a job sees of the user's own files: models and certificates that the user names, and nothing else."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from argo.local import model_cache
from tests.local.conftest import Repository, script, workflow

HEAD = "inputs: {model: {type: string, with: {value: none}}}\n"
JOB = script('find "$(cat /inputs/model)"', inputs="{model: workflow.inputs.model}")


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
    assert [mount.source for mount in model_cache.model_mounts([parts[1]])] == parts


@pytest.mark.parametrize("text", ["none", "/", "a\0b", "/" + "x" * 5000, "/tmp/../etc", ""])
def test_a_text_that_is_no_model_is_no_mount(text: str) -> None:
    assert model_cache.model_mounts([text]) == []


def test_a_job_reads_certificates_of_the_users_variable_and_not_of_the_files(
    repository: Repository, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = shutil.copy(files / "secret", files / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    text = 'cat "$SSL_CERT_FILE" && echo read'
    theirs = script(text, env=f"{{SSL_CERT_FILE: {files / 'secret'}}}")
    outcome = repository.run(workflow(mine=script(text), theirs=theirs))
    assert outcome.phases() == {"mine": "Succeeded", "theirs": "Failed"}
