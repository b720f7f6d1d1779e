"""textgen init gives a repository a workflow that is this project's own but for the path of its settings."""

import subprocess
import sys
from pathlib import Path

from argo.language import load

ROOT = Path(__file__).parents[2]


def textgen(*args: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "argo", *args], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_init_writes_a_workflow_without_errors_or_warnings(tmp_path: Path) -> None:
    done = textgen("init", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    workflow = load(tmp_path / ".gradient/workflows/nlp-text-generation.yaml")
    assert list(workflow.jobs) == ["cloneRepo", "generateText"]
    assert (tmp_path / "settings.toml").read_bytes() == (ROOT / "job/settings.toml").read_bytes()


def test_the_command_that_init_prints_can_be_typed(tmp_path: Path) -> None:
    last = textgen("init", "my repository", cwd=tmp_path).stdout.splitlines()[-1]
    assert last == "  textgen run 'my repository/.gradient/workflows/nlp-text-generation.yaml'"


def test_init_writes_nothing_if_a_file_exists(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("mine")
    done = textgen("init", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "textgen: settings.toml: exists already; move it away first\n"
    assert (tmp_path / "settings.toml").read_text() == "mine"
    assert not (tmp_path / ".gradient").exists()


def test_the_starter_is_this_repositorys_own_workflow_but_for_the_settings_the_code_and_the_image() -> None:
    starter = (ROOT / "argo/starter/nlp-text-generation.yaml").read_text()
    for ours, theirs in (
        (" job/settings.toml", " settings.toml"),
        (
            "cd /inputs/repo\n        python3 -m job generate",
            "python3 -m job generate --settings /inputs/repo/settings.toml",
        ),
        ("for a GPU\n", "for a GPU, with the image textgen-job\n"),
        ("image: textgen-job:", "image: textgen-job-cpu:"),
    ):
        assert theirs in starter
        starter = starter.replace(theirs, ours)
    assert starter == (ROOT / ".gradient/workflows/nlp-text-generation.yaml").read_text()
