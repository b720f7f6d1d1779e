"""What `make` sets up, with a stand-in for uv that writes down what it is asked for."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from job.extras import EXTRAS

ROOT = Path(__file__).parents[2]
LOCKS = [f"requirements-{name}.lock" for name in ("cpu", "job", "parquet", "dev", "uv")]

# `uv venv` makes a folder with a Python in it; whatever stands in `failing` fails as it says there, once.
UV = """\
#!/bin/sh
echo "$@" >> calls
if [ "$1" = venv ]; then mkdir -p .venv/bin && ln -sf /bin/true .venv/bin/python; fi
if [ -e failing ]; then cat failing >&2; rm failing; exit 1; fi
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What make reads of a clone, and the stand-in."""
    for name in ("Makefile", "pyproject.toml", *LOCKS):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/uv").write_text(UV)
    (tmp_path / "bin/uv").chmod(0o755)
    return tmp_path


def make(clone: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = f"{clone}/bin:{os.environ['PATH']}"
    command = ["make", f"PYTHON={sys.executable}", *words]
    return subprocess.run(command, cwd=clone, env={"PATH": path}, capture_output=True, text=True, check=False)


def read_calls(clone: Path) -> str:
    calls = clone / "calls"
    return calls.read_text() if calls.exists() else ""


def read_pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / lock).read_text("utf-8"), re.MULTILINE))


def test_a_set_up_is_light_and_not_made_twice(clone: Path) -> None:
    assert make(clone, "setup").returncode == 0
    calls = read_calls(clone)
    assert "-r requirements-cpu.lock" in calls
    assert "requirements-job.lock" not in calls
    assert make(clone, "setup").returncode == 0
    assert read_calls(clone) == calls


@pytest.mark.parametrize("words", [("setup", "EXTRA=job"), ("run", "ENGINE=transformers")])
def test_torch_is_added_by_one_word(clone: Path, words: tuple[str, ...]) -> None:
    make(clone, "setup")
    assert "requirements-job.lock" in make(clone, "--dry-run", *words).stdout
    assert "requirements-job.lock" not in make(clone, "--dry-run", "run").stdout


@pytest.mark.parametrize("extra", sorted(set(EXTRAS.values())))
def test_each_extra_that_a_message_names_can_be_set_up(clone: Path, extra: str) -> None:
    assert f"-r requirements-{extra}.lock" in make(clone, "--dry-run", "setup", f"EXTRA={extra}").stdout
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert extra in project["optional-dependencies"]


def test_the_light_set_up_is_a_part_of_the_other() -> None:
    light, whole = read_pins("requirements-cpu.lock"), read_pins("requirements-job.lock")
    assert light.items() < whole.items()
    assert {"torch", "transformers"} & light.keys() == set()
    assert "openvino" in light


@pytest.mark.parametrize("step", ["venv", "cpu", "job"])
def test_an_interrupted_set_up_goes_on(clone: Path, step: str) -> None:
    done = {"venv": [], "cpu": [".venv/python"], "job": ["setup"]}[step]
    for target in done:
        assert make(clone, target).returncode == 0
    (clone / "failing").write_text("error: no route to the index\n")
    stopped = make(clone, "setup", "EXTRA=job")
    assert stopped.returncode == 2
    assert stopped.stderr.splitlines()[0] == "error: no route to the index"
    assert not (clone / ".venv/job").exists()
    assert make(clone, "setup", "EXTRA=job").returncode == 0
    assert (clone / ".venv/job").exists()


def test_a_half_made_environment_is_made_again(clone: Path) -> None:
    (clone / "failing").write_text("killed\n")
    make(clone, "setup")
    assert (clone / ".venv/bin/python").exists()
    assert make(clone, "setup").returncode == 0
    assert read_calls(clone).count("venv --quiet --clear") == 2


def test_a_half_installed_uv_is_installed_again(clone: Path) -> None:
    (clone / ".uv/bin").mkdir(parents=True)
    (clone / "bin/uv").rename(clone / ".uv/bin/uv")
    assert "-r requirements-uv.lock" in make(clone, "--dry-run", "setup").stdout
    (clone / ".uv/ready").touch()
    assert "-r requirements-uv.lock" not in make(clone, "--dry-run", "setup").stdout


def test_an_environment_whose_python_is_gone_is_made_again(clone: Path) -> None:
    make(clone, "setup")
    (clone / ".venv/bin/python").unlink()
    (clone / ".venv/bin/python").symlink_to("/nowhere/python3")
    assert make(clone, "setup").returncode == 0
    assert read_calls(clone).count("-r requirements-cpu.lock") == 2


def test_a_full_disk_is_one_line(clone: Path) -> None:
    (clone / "failing").write_text(
        "error: Failed to install: one.whl (one==1)\n"
        "  cause: failed to copy file from /a to /b: No space left on device (os error 28)\n"
    )
    stopped = make(clone, "setup")
    assert stopped.stderr.splitlines()[:-1] == [
        "The disk is full. Free some space and try again: what was downloaded is kept."
    ]


def test_an_old_python_is_one_line_and_sets_nothing_up(clone: Path) -> None:
    old = clone / "bin/python3.10"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import sys; sys.version_info = (3, 10, 2); $2"\n')
    old.chmod(0o755)
    for uv in (clone / "bin/uv", None):
        if uv is None:
            (clone / "bin/uv").unlink()
        stopped = make(clone, "setup", "PYTHON=python3.10")
        first, rest = stopped.stderr.splitlines()
        assert first.startswith("textgen needs Python 3.11 or newer, python3.10 is ")
        assert rest.startswith("make: *** ")
        assert read_calls(clone) == ""
        assert not (clone / ".uv").exists()
