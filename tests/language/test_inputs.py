"""`inputs` and `outputs`: their three types, their sources, and what can't stand there."""

from collections.abc import Callable

import pytest

from argo.language import CheckResult, Workflow
from argo.language.model import FromJob, FromWorkflow, SharedVolume, Type
from job.datasets.reference import DatasetRef

_FLOW = """
inputs:
  data: {type: dataset, with: {ref: test-one}}
  old: {type: dataset, with: {id: "ds1:v2"}}
  echo: {type: string, with: {value: "hello world"}}
  params: {type: string}
jobs:
  one:
    uses: script@v1
    with: {script: echo, image: bash:5}
    outputs:
      code: {type: volume}
      text: {type: string}
      model: {type: dataset, with: {id: my-model}}
  two:
    needs: [one]
    uses: script@v1
    with: {script: echo, image: bash:5}
    inputs:
"""


def test_every_kind_of_source_keeps_its_type(read_text: Callable[[str], Workflow]) -> None:
    workflow = read_text(
        _FLOW + "      a: workflow.inputs.data\n      b: workflow.inputs.params\n      c: one.outputs.code\n"
        "      d: one.outputs.text\n      e: {type: dataset, with: {ref: gradient/mnist:v1}}\n"
        "      f: {type: volume}\n"
    )
    assert {name: (each.type, each.source) for name, each in workflow.jobs["two"].inputs.items()} == {
        "a": (Type.DATASET, FromWorkflow("data")),
        "b": (Type.STRING, FromWorkflow("params")),
        "c": (Type.VOLUME, FromJob("one", "code")),
        "d": (Type.STRING, FromJob("one", "text")),
        "e": (Type.DATASET, DatasetRef("mnist", "v1", "gradient")),
        "f": (Type.VOLUME, SharedVolume()),
    }


def test_the_workflows_inputs_may_have_defaults(read_text: Callable[[str], Workflow]) -> None:
    assert {name: each.default for name, each in read_text(_FLOW).inputs.items()} == {
        "data": DatasetRef("test-one"),
        "old": DatasetRef("ds1", "v2"),
        "echo": "hello world",
        "params": None,
    }


@pytest.mark.parametrize(
    ("entry", "code", "says"),
    [
        ("workflow.inputs.dta", "unknown-input", "did you mean 'data'?"),
        ("One.outputs.code", "unknown-job", "did you mean 'one'?"),
        ("one.outputs.cod", "unknown-output", "did you mean 'code'?"),
        ("my-dataset", "bad-expression", "write JOB.outputs.NAME"),
        ("${{ needs.one.outputs.code }}", "bad-expression", "write JOB.outputs.NAME"),
        ("{type: string, with: {value: x}}", "unknown-type", "write one of dataset, volume"),
        ("{type: datasets, with: {ref: x}}", "unknown-type", "did you mean 'dataset'?"),
        ("{type: dataset}", "missing-key", "'with' is missing"),
        ("{type: dataset, with: {}}", "missing-key", "'ref' is missing"),
        (
            "{type: dataset, with: {ref: ../x}}",
            "bad-dataset",
            "not a dataset reference: '../x'; write [namespace/]name",
        ),
        (
            "{type: dataset, with: {ref: runs/x}}",
            "bad-dataset",
            "the namespace 'runs' is reserved for the store",
        ),
        ("{type: dataset, with: {ref: one.outputs.model}}", "bad-expression", "in place of the mapping"),
        ("{with: {ref: x}}", "missing-key", "write type: dataset or volume"),
        ("[one.outputs.code]", "wrong-type", "not a list"),
    ],
)
def test_a_source_that_does_not_exist_is_one_error(
    entry: str, code: str, says: str, check_text: Callable[[str], CheckResult]
) -> None:
    (diagnostic,) = check_text(f"{_FLOW}      x: {entry}\n").diagnostics
    assert (diagnostic.code, diagnostic.key.startswith("jobs.two.inputs.x")) == (code, True)
    assert says in str(diagnostic)


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("{type: dataset}", "missing-key"),
        ("{type: dataset, with: {ref: runs/data}}", "bad-dataset"),
        ("{type: dataset, with: {ref: data:v1}}", "bad-dataset"),
        ("{type: integer}", "unknown-type"),
        ("{type: volume, with: {ref: x}}", "unknown-key"),
    ],
)
def test_an_output_that_can_not_be_written_is_one_finding(
    output: str, code: str, check_text: Callable[[str], CheckResult]
) -> None:
    text = (
        f"jobs:\n  a:\n    uses: script@v1\n    with: {{script: s, image: i}}\n    outputs: {{x: {output}}}\n"
    )
    assert [each.code for each in check_text(text).diagnostics] == [code]


@pytest.mark.parametrize("name", ["../x", "a/b", ".", ".hidden", "", "a b", "x" * 64, "ä"])
@pytest.mark.parametrize("where", ["inputs", "outputs"])
def test_a_name_can_not_leave_its_folder(
    name: str, where: str, check_text: Callable[[str], CheckResult]
) -> None:
    job = f"uses: script@v1, with: {{script: s, image: i}}, {where}: {{'{name}': {{type: volume}}}}"
    text = f"jobs: {{a: {{{job}}}}}"
    assert [each.code for each in check_text(text).diagnostics] == ["bad-name"]


@pytest.mark.parametrize(
    ("ref", "dataset"),
    [
        ("data", DatasetRef("data")),
        ("gradient/openslr", DatasetRef("openslr", namespace="gradient")),
        ("default/data", DatasetRef("data")),
        ("gradient/openslr:latest", DatasetRef("openslr", namespace="gradient")),
    ],
)
def test_an_output_may_have_a_namespace(
    ref: str, dataset: DatasetRef, read_text: Callable[[str], Workflow]
) -> None:
    output = f"{{type: dataset, with: {{ref: '{ref}'}}}}"
    job = f"uses: script@v1, with: {{script: s, image: i}}, outputs: {{x: {output}}}"
    assert read_text(f"jobs: {{a: {{{job}}}}}").jobs["a"].outputs["x"].dataset == dataset
