"""The tutorial's own workflow, unmodified, on this machine."""

import re
from pathlib import Path

import pytest

from tests.local.conftest import Repository
from tests.tutorial import FILE, SCRIPT, hub


@pytest.mark.model
def test_the_tutorials_workflow_runs_unmodified(repository: Repository, tmp_path: Path) -> None:
    environment = hub(tmp_path / "hub")
    before = sorted((tmp_path / "hub").rglob("*"))
    repository.write(".gradient/workflows/nlp-text-generation.yaml", FILE.read_text())
    repository.write("nlp_text_generation.py", SCRIPT)
    repository.commit()
    done = repository.textgen("run", ".gradient/workflows/nlp-text-generation.yaml", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    text = repository.files("demo-dataset")["output.txt"]
    assert len(re.findall(r"(?m)^Hello, I'm a language model,", text)) == 2
    assert "Output 1 of 2" in done.stdout.split("Succeeded in ")[-1]
    assert sorted((tmp_path / "hub").rglob("*")) == before
