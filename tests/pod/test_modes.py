"""Files that only the job's user can read are made readable for `store`, and stored with their own modes."""

import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from job.datasets import DatasetRef, Datasets
from job.pod import commit
from job.pod.inputs import main_script
from job.pod.outputs import DatasetOutput
from job.pod.spec import MODES, OUTPUTS, SHARE_OUTPUTS, MainCommand

OWN = {
    "own": 0o600,
    "tool": 0o700,
    "group": 0o640,
    "odd": 0o601,
    "a b/c\\": 0o400,
    "öffentlich": 0o644,
    "run": 0o755,
}
LIST = str(MODES.relative_to(OUTPUTS))


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """The outputs of a job whose files only its user can read."""
    folder = tmp_path / "outputs"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "empty").mkdir()
    (folder / "data" / "empty").chmod(0o700)
    (folder / "data" / "a b").mkdir(mode=0o700)
    for name, mode in OWN.items():
        (folder / "data" / name).write_text(name)
        (folder / "data" / name).chmod(mode)
    (folder / "data" / "link").symlink_to("own")
    return folder


def store(outputs: Path, names: tuple[str, ...] = ("data",)) -> Mapping[str, Mapping[str, int]]:
    """The modes of files and folders in the version of each output."""
    datasets = Datasets.at((outputs.parent / "store").as_uri())
    commit.store_outputs(datasets, "run", "job", {n: DatasetOutput(n) for n in names}, {}, root=outputs)
    manifests = {name: datasets.manifest(datasets.resolve(DatasetRef(name))) for name in names}
    return {
        name: {
            **{file.path: file.mode for file in manifest.files},
            **{folder.path: folder.mode for folder in manifest.folders},
        }
        for name, manifest in manifests.items()
    }


def share(outputs: Path, path: str, *shell: str) -> None:
    script = SHARE_OUTPUTS.replace(str(OUTPUTS), str(outputs))
    done = subprocess.run(
        [*shell, "-c", script], env={"PATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    for file in outputs.rglob("*"):
        wanted = 0o444 if not stat.S_ISDIR(file.stat().st_mode) else 0o555
        assert file.stat().st_mode & wanted == wanted


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_the_version_has_the_modes_of_before(outputs: Path, tmp_path: Path, shell: str) -> None:
    program = shutil.which(shell)
    if not program:
        pytest.skip(f"no {shell} here")
    path = os.environ["PATH"]
    if shell == "busybox":
        path = str(tmp_path / "bin")
        (tmp_path / "bin").mkdir()
        subprocess.run([program, "--install", "-s", path], check=True)
    words = (program, "sh") if shell == "busybox" else (program,)
    share(outputs, path, *words)
    assert store(outputs) == {"data": {**OWN, "empty": 0o700}}


def test_an_image_without_find_has_the_modes_that_store_needs(outputs: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "chmod").symlink_to(shutil.which("chmod") or "/bin/chmod")
    share(outputs, str(tmp_path / "bin"), "/bin/sh")
    assert store(outputs)["data"] == {
        **dict.fromkeys(OWN, 0o644),
        **dict.fromkeys(("tool", "run", "odd", "empty"), 0o755),
        "a b/c\\": 0o444,
    }


def test_a_command_through_the_images_sh_shares_its_outputs_too(outputs: Path) -> None:
    script = main_script(MainCommand(("sh", "-c", "exit 3"), {}, share=True))
    done = subprocess.run(["sh", "-c", script.replace(str(OUTPUTS), str(outputs))], check=False)
    assert done.returncode == 3
    assert store(outputs)["data"]["own"] == 0o600


def test_a_list_names_files_of_its_own_output_and_takes_permissions_only(outputs: Path) -> None:
    (outputs / "other").mkdir()
    for path in ("data/own", "other/own"):
        (outputs / path).write_text("x")
        (outputs / path).chmod(0o644)
    lines = [
        "7777 ./data/own",
        "600 ./data/../other/own",
        "600 ./other/nothing",
        "600 /etc/passwd",
        "600 ./text",
    ]
    (outputs / LIST).write_text("\n".join([*lines, "x", "", "99 ./other/own", "600 ./other/own"]))
    assert {name: modes["own"] for name, modes in store(outputs, ("data", "other")).items()} == {
        "data": 0o644,
        "other": 0o644,  # its line has no end
    }


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "huge"])
def test_what_is_no_list_is_a_warning(outputs: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = outputs / LIST
    match kind:
        case "link":
            path.symlink_to("/dev/zero")
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case _:
            path.touch()
            os.truncate(path, 1 << 40)
    assert store(outputs)["data"]["own"] == 0o600
    (warning,) = [line for line in capsys.readouterr().out.splitlines() if "warning" in line]
    assert warning.startswith(f"textgen: warning: {path}: ")
