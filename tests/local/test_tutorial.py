"""The tutorial's own workflow, unmodified, with a script that makes the calls of its script."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.local.conftest import Repository

FILE = Path(__file__).parents[3] / "shared/corpus/gradient-ai__NLP-Text-Generation__nlp-text-generation.yaml"
SCRIPT = """
from transformers import pipeline, set_seed

generator = pipeline('text-generation', model='gpt2')
set_seed(42)
texts = generator("Hello, I'm a language model,", max_length=40, num_return_sequences=2)
with open('output.txt', 'w') as file:
    for number, text in enumerate(texts, 1):
        print(f'---\\nOutput {number} of 2\\n---\\n', file=file)
        print(text['generated_text'], file=file)
"""


@pytest.mark.model
@pytest.mark.skipif(not FILE.is_file(), reason="the tutorial's file is not here")
def test_the_tutorials_workflow_runs_unmodified(repository: Repository, tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    environment = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PIP_NO_INDEX": "1", "HF_HOME": str(hub)}
    subprocess.run(
        [sys.executable, Path(__file__).with_name("random_gpt2.py"), hub],
        env={**os.environ, **environment},
        check=True,
    )
    before = sorted(hub.rglob("*"))
    repository.write(".gradient/workflows/nlp-text-generation.yaml", FILE.read_text())
    repository.write("nlp_text_generation.py", SCRIPT)
    repository.commit()
    done = repository.textgen("run", ".gradient/workflows/nlp-text-generation.yaml", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    text = repository.files("demo-dataset")["output.txt"]
    assert len(re.findall(r"(?m)^Hello, I'm a language model,", text)) == 2
    assert "Output 1 of 2" in done.stdout.split("Succeeded in ")[-1]
    assert sorted(hub.rglob("*")) == before
