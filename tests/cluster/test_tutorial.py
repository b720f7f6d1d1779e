"""The tutorial's own workflow file, as it is, in a namespace that enforces Pod Security "baseline"."""

import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from argo.compile import Cluster, Kind, Origin, compile
from argo.language import load
from job.datasets import DatasetRef
from tests.cluster.kubernetes import Namespace, images

pytestmark = pytest.mark.cluster

FILE = "gradient-ai__NLP-Text-Generation__nlp-text-generation.yaml"
CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
# The tutorial's script writes what its pipeline gives, in this form.
SCRIPT = """\
from transformers import pipeline, set_seed
generator = pipeline('text-generation', model='gpt2')
set_seed(42)
found = generator("Hello, I'm a language model,", max_length=30, num_return_sequences=5)
with open('output.txt', 'w') as f:
    for number, one in enumerate(found, 1):
        print(f'---\\nOutput {number} of 5\\n---\\n', file=f)
        print(one['generated_text'], file=f)
"""


def test_the_tutorial_makes_a_version(baseline: Namespace, served: tuple[Path, str], tmp_path: Path) -> None:
    if not (CORPUS / FILE).exists():
        pytest.skip("the tutorial's file is not on this machine")
    if not any("paperspace/transformers-gpu:0.4.0" in name for name in images()):
        pytest.skip("the cluster has no stand-in for paperspace/transformers-gpu:0.4.0")
    folder, url = served
    commit = _repository(folder / "tutorial.git", tmp_path / "work")
    origin = Origin(".gradient/workflows/nlp-text-generation.yaml", f"{url}/tutorial.git", commit)
    made = compile(load(CORPUS / FILE), Kind.WORKFLOW, Cluster(scale=Fraction(2, 5)), origin)
    ended = baseline.ended(baseline.create(made), seconds=400)
    assert ended["status"]["phase"] == "Succeeded", ended["status"]
    version = baseline.datasets.resolve(DatasetRef("demo-dataset"))
    assert baseline.datasets.manifest(version).lineage["repository"] == {
        "url": f"{url}/tutorial.git",
        "commit": commit,
    }
    baseline.datasets.fetch(version, tmp_path / "result")
    assert "Output 5 of 5" in (tmp_path / "result" / "output.txt").read_text("utf-8")


def _repository(bare: Path, work: Path) -> str:
    """A repository like the tutorial's, served; its commit."""
    work.mkdir()
    (work / "nlp_text_generation.py").write_text(SCRIPT, "utf-8")
    author = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    for words in (("init", "-qb", "main"), ("add", "."), (*author, "commit", "-qm", "Generate text")):
        subprocess.run(["git", "-C", str(work), *words], check=True, capture_output=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(bare)], check=True)
    found = subprocess.run(["git", "-C", str(work), "rev-parse", "HEAD"], check=True, capture_output=True)
    return found.stdout.decode().strip()
