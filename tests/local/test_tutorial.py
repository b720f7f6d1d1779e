"""The tutorial's own workflow, unmodified, on this machine."""

import re
from pathlib import Path

import pytest

from tests.hidden_modules import hide_modules
from tests.local.conftest import Repository
from tests.tutorial import FILE, SCRIPT, hub

WORKFLOW = ".gradient/workflows/nlp-text-generation.yaml"


def write_tutorial(repository: Repository) -> None:
    repository.write(WORKFLOW, FILE.read_text())
    repository.write("nlp_text_generation.py", SCRIPT)
    repository.commit()


def test_without_transformers_the_tutorials_workflow_names_the_command(repository: Repository) -> None:
    hide_modules(repository.root / "site", "torch", "transformers")
    write_tutorial(repository)
    env = {"PIP_NO_INDEX": "1", "PYTHONPATH": "site"}
    done = repository.textgen("run", WORKFLOW, "--env", "PYTHONPATH", env=env)
    lines = [line.partition(" | ")[2] for line in done.stdout.splitlines() if " | " in line]
    assert "ModuleNotFoundError: No module named 'transformers'" in lines
    assert re.fullmatch(r"textgen: transformers is not installed; run: .* setup EXTRA=job", lines[-1])


@pytest.mark.model
def test_the_tutorials_workflow_runs_unmodified(repository: Repository, tmp_path: Path) -> None:
    environment = hub(tmp_path / "hub")
    before = sorted((tmp_path / "hub").rglob("*"))
    write_tutorial(repository)
    done = repository.textgen("run", WORKFLOW, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    text = repository.files("demo-dataset")["output.txt"]
    assert len(re.findall(r"(?m)^Hello, I'm a language model,", text)) == 2
    assert "Output 1 of 2" in done.stdout.split("Succeeded in ")[-1]
    assert sorted((tmp_path / "hub").rglob("*")) == before
