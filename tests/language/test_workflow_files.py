"""Whole files: those that are workflows are read, the others get one clear answer."""

import json
from pathlib import Path

import pytest

from argo.language import Severity, check, load
from argo.language.model import FromJob, GitCheckout, SharedVolume, Type
from job.datasets.reference import DatasetRef
from tests.workflow_files import CORPUS, MISTAKES, WORKFLOWS, needs_corpus, workflow_files

# The code of the one error of each file that has one.
_MISTAKES = {
    "github_actions": "not-a-workflow",
    "missing_image": "missing-key",
    "model_without_name": "missing-key",
    "outdented_heredoc": "yaml-syntax",
    "stages": "not-a-workflow",
    "tasks": "not-a-workflow",
    "uncommented_template": "yaml-syntax",
    "unfinished_job": "wrong-type",
    "uses_beside_jobs": "not-a-workflow",
    "wrong_indent": "yaml-syntax",
}
# `jobs` is a mapping in all of these, and each makes one of the mistakes that no reader can ignore.
_CORPUS_MISTAKES = {
    "AmeerArsala__CSC-587__workflow.yaml": ["missing-key"],  # create-model without a name
    "GndzGzr__VisualAssistantDeployement-Cloud__workflow.yaml": ["missing-key"],  # no image
    "KamronF9__GradientTest__workflow@job-registries.yaml": ["missing-key"],  # no image
    "Lisibonny__workflow-obtener-articulos__workflow.yaml": ["not-a-workflow"],  # `uses` beside the jobs
    "dhanushDM99__wf6__workflow.yaml": ["not-a-workflow"],  # GitHub Actions
    "docs__paperspace-blog__adoro-deepfake-your-selfie-first-order-motion-model__03.yaml": [
        "wrong-type"  # a job that is `...`
    ],
}


def _errors(file: Path) -> list[str]:
    return [each.code for each in check(file).diagnostics if each.severity is Severity.ERROR]


@pytest.mark.parametrize("file", [file for file in workflow_files() if CORPUS not in file.parents])
def test_a_workflow_is_read_and_a_mistake_answered_once(file: Path) -> None:
    assert _errors(file) == ([_MISTAKES[file.stem]] if file.parent == MISTAKES else [])


@needs_corpus
def test_every_real_file_is_read_or_answered_once() -> None:
    manifest = {
        row["file"]: row["yaml_status"] for row in json.loads((CORPUS / "MANIFEST.json").read_text("utf-8"))
    }

    def expected(file: Path) -> list[str]:
        if manifest[file.name] != "ok":
            return ["yaml-syntax"]
        has_jobs = "\njobs:" in "\n" + file.read_text("utf-8")
        return _CORPUS_MISTAKES.get(file.name, [] if has_jobs else ["not-a-workflow"])

    files = sorted(CORPUS.glob("*.yaml"))
    assert len(files) > 90
    assert {file.name: _errors(file) for file in files} == {file.name: expected(file) for file in files}


def test_the_tutorials_form_gives_the_model_it_describes() -> None:
    workflow = load(WORKFLOWS / "text_generation.yaml")
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
    workflow = load(WORKFLOWS / "shared_volume.yaml")
    clones = [job.action for job in workflow.jobs.values() if isinstance(job.action, GitCheckout)]
    inputs = [job.inputs["repo"] for job in workflow.jobs.values() if "repo" in job.inputs]
    assert {clone.path for clone in clones} == {"/inputs/repo"}
    assert {(entry.type, entry.source) for entry in inputs} == {(Type.VOLUME, SharedVolume())}


def test_quotes_anchors_and_flow_style_keep_every_text() -> None:
    jobs = load(WORKFLOWS / "quoting.yaml").jobs
    env = jobs["Second-Job"].env
    assert (env["RATE"], env["DEBUG"], env["EMPTY"], env["SIZE"]) == ("0.2", "yes", "", "0777")
    assert env["TEXT"] == 'it\'s "quoted"'
    assert jobs["Second-Job"].needs == ("first_job",)
    assert getattr(jobs["third"].action, "args", ()) == (
        *("-c", 'echo "tab:\t" \\ $(HOME) Aé', "-n", "", ":8080", "a:b"),
    )
