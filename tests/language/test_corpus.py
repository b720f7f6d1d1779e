"""Files that people wrote: those that are workflows are read, the others get one clear answer."""

import json
from pathlib import Path

import pytest

from argo.language import Severity, check, load
from argo.language.model import FromJob, GitCheckout, SharedVolume, Type
from job.datasets.reference import DatasetRef

_CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
# `jobs` is a map in all of these, and each makes one of the mistakes that no reader can look past.
_MISTAKES = {
    "AmeerArsala__CSC-587__workflow.yaml": ["missing-key"],  # create-model without a name
    "GndzGzr__VisualAssistantDeployement-Cloud__workflow.yaml": ["missing-key"],  # no image
    "KamronF9__GradientTest__workflow@job-registries.yaml": ["missing-key"],  # no image
    "Lisibonny__workflow-obtener-articulos__workflow.yaml": ["not-a-workflow"],  # `uses` beside the jobs
    "dhanushDM99__wf6__workflow.yaml": ["not-a-workflow"],  # GitHub Actions
    "docs__paperspace-blog__adoro-deepfake-your-selfie-first-order-motion-model__03.yaml": [
        "wrong-type"  # a job that is `...`
    ],
}

pytestmark = pytest.mark.skipif(not _CORPUS.is_dir(), reason=f"no corpus of real files at {_CORPUS}")


def _has_jobs(path: Path) -> bool:
    return "\njobs:" in "\n" + path.read_text("utf-8")


def _expected(path: Path, manifest: dict[str, str]) -> list[str]:
    """The code of the one error that a file has to get, if any."""
    if manifest[path.name] != "ok":
        return ["yaml-syntax"]
    return _MISTAKES.get(path.name, [] if _has_jobs(path) else ["not-a-workflow"])


def test_every_real_file_is_read_or_answered_once() -> None:
    manifest = {
        row["file"]: row["yaml_status"] for row in json.loads((_CORPUS / "MANIFEST.json").read_text("utf-8"))
    }
    files = sorted(_CORPUS.glob("*.yaml"))
    found = {
        path.name: [each.code for each in check(path).diagnostics if each.severity is Severity.ERROR]
        for path in files
    }
    assert len(files) > 90
    assert found == {path.name: _expected(path, manifest) for path in files}


def test_the_tutorials_file_gives_the_model_it_describes() -> None:
    workflow = load(_CORPUS / "gradient-ai__NLP-Text-Generation__nlp-text-generation.yaml")
    clone, generate = workflow.jobs["cloneRepo"], workflow.jobs["generateText"]
    assert workflow.trigger is not None
    assert workflow.trigger.branches == ("main",)
    assert isinstance(clone.action, GitCheckout)
    assert clone.action.path == "/outputs/repo"
    assert (clone.instance_type, generate.instance_type) == ("C4", "C5")
    assert generate.needs == ("cloneRepo",)
    assert generate.inputs["repo"].source == FromJob("cloneRepo", "repo")
    assert generate.outputs["generatedText"].dataset == DatasetRef("demo-dataset")


def test_a_file_of_the_legacy_dialect_shares_its_volume() -> None:
    name = "docs__Paperspace-Docs-hist-20210521-bd9d4e1__yaml-file-for-stylegan2-workflow__02.yaml"
    workflow = load(_CORPUS / name)
    clones = [job.action for job in workflow.jobs.values() if isinstance(job.action, GitCheckout)]
    given = [job.inputs["repo"] for job in workflow.jobs.values() if "repo" in job.inputs]
    assert {clone.path for clone in clones} == {"/inputs/repo"}
    assert {(each.type, each.source) for each in given} == {(Type.VOLUME, SharedVolume())}
