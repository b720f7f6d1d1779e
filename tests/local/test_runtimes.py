"""Docker, Podman and the host, as far as they can be seen without them."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from argo.local.containers import Containers
from argo.local.host import Host
from job.errors import InputError
from tests.local.conftest import Repository, script, workflow

SECRET = "hush"  # noqa: S105


def test_docker_runs_the_image_with_the_same_places(
    repository: Repository, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    repository.write("a,b", "")
    job = script(
        "true",
        inputs="{text: workflow.inputs.text}",
        env="{TOKEN: 'secret:TOKEN', PATH: '/x'}",
        outputs="{v: {type: volume}}",
    )
    head = "inputs: {text: {type: string, with: {value: hello}}}\n"
    outcome = repository.run(head + workflow(job=job), runtime=Containers("docker"), env=["TOKEN"])
    ((words, environ),) = map(json.loads, calls.read_text().splitlines())
    assert outcome.phases() == {"job": "Succeeded"}
    assert environ["TOKEN"] == SECRET  # by its name only
    assert SECRET not in " ".join(words)
    assert words[:6] == ["run", "--rm", "--init", "--name", f"{outcome.record.name}-job", "--label"]
    assert words[-4:] == ["--entrypoint", "bash", "some/image", "/run/textgen/script"]
    variables = [words[index + 1] for index, word in enumerate(words) if word == "--env"]
    assert {"TOKEN", "PATH=/x"} <= set(variables)
    mounts = [next(csv.reader([words[index + 1]])) for index, word in enumerate(words) if word == "--mount"]
    targets = {mount[2]: mount[3:] for mount in mounts}
    assert targets["target=/inputs/text"] == ["readonly"]
    assert targets["target=/run/textgen/script"] == ["readonly"]
    assert targets["target=/inputs"] == targets["target=/outputs"] == targets["target=/storage"] == []


def test_docker_gets_volumes_as_copies(repository: Repository, calls: Path) -> None:
    clone = """
        outputs: {repo: {type: volume}}
        uses: git-checkout@v1
        with: {url: context.event.github.url}
        """
    job = """
        needs: [clone]
        inputs: {repo: clone.outputs.repo}
        uses: container@v1
        with: {image: i/i, args: [--x]}
        """
    repository.write("file", "x")
    seen: list[bool] = []

    class Looking(Containers):
        def build_command(self, task):  # type: ignore[no-untyped-def]
            inputs = next(mount.source for mount in task.mounts if mount.target == "/inputs")
            seen.append((inputs / "repo/file").exists())
            return super().build_command(task)

    repository.run(workflow(clone=clone, job=job), runtime=Looking("docker"))
    ((words, _),) = map(json.loads, calls.read_text().splitlines())
    assert seen == [True]
    assert words[-2:] == ["i/i", "--x"]  # the image's entrypoint stays


def test_a_runtime_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(InputError, match="podman is not installed"):
        Containers("podman").check()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """The host runtime, with a folder in place of `/`."""
    (tmp_path / "root").mkdir()
    yield Host(tmp_path / "root")
    assert not list((tmp_path / "root").iterdir())


def test_on_the_host_inputs_and_outputs_are_links_while_a_job_runs(
    repository: Repository, host: Host, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    first = script(f"echo x > {root}/outputs/v/x", outputs="{v: {type: volume}}")
    use = f"echo $HOME; cp {root}/inputs/v/x {root}/outputs/d; rm {root}/inputs/v/x"
    keys = {"needs": "[first]", "inputs": "{v: first.outputs.v}"}
    outcome = repository.run(
        workflow(
            first=first,
            one=script(use, **keys, outputs="{d: {type: dataset, with: {ref: one}}}"),
            two=script(use, **keys, outputs="{d: {type: dataset, with: {ref: two}}}"),
        ),
        runtime=host,
    )
    assert set(outcome.phases().values()) == {"Succeeded"}
    assert repository.files("one") == repository.files("two") == {"x": "x\n"}
    assert str(Path.home()) in outcome.log("one")


def test_the_host_refuses_where_somebody_elses_folder_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "inputs").mkdir()
    with pytest.raises(InputError, match=r"inputs exists already"):
        Host(tmp_path).check()
