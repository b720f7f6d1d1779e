"""The values of a workflow's inputs: what a run gives, else the file's defaults."""

from collections.abc import Callable

import pytest

from argo.language import Workflow, bind_inputs
from job.datasets.reference import DatasetRef
from job.errors import InputError

_FLOW = """
inputs:
  data: {type: dataset, with: {ref: test-one}}
  echo: {type: string, with: {value: hello}}
  params: {type: string}
jobs: {a: {uses: script@v1, with: {script: s, image: i}}}
"""


def test_an_empty_default_is_a_default(read_text: Callable[[str], Workflow]) -> None:
    workflow = read_text(_FLOW.replace("{value: hello}", "{value: ''}"))
    assert bind_inputs(workflow, {"params": "x"})["echo"] == ""


def test_a_parameter_wins_over_the_default(read_text: Callable[[str], Workflow]) -> None:
    workflow = read_text(_FLOW)
    assert bind_inputs(workflow, {"params": ""}) == {
        "data": DatasetRef("test-one"),
        "echo": "hello",
        "params": "",
    }
    parameters = {"params": "{{x}}\n", "data": "team/two:v1", "echo": "secret:x"}
    assert bind_inputs(workflow, parameters) == {**parameters, "data": DatasetRef("two", "v1", "team")}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"params": "x", "ecko": "y"}, "no input 'ecko'; did you mean 'echo'?"),
        ({"params": "x", "zzz": "1"}, "no input 'zzz'; its inputs are data, echo, params"),
        ({}, "needs a value for params; give it with -p params=VALUE"),
        ({"params": "x", "data": "../etc"}, "not a dataset reference: '../etc'"),
    ],
)
def test_values_that_do_not_fit_are_one_line(
    values: dict[str, str], says: str, read_text: Callable[[str], Workflow]
) -> None:
    with pytest.raises(InputError) as caught:
        bind_inputs(read_text(_FLOW), values)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_workflow_without_inputs_says_so(read_text: Callable[[str], Workflow]) -> None:
    workflow = read_text("jobs: {a: {uses: script@v1, with: {script: s, image: i}}}")
    with pytest.raises(InputError, match="the workflow has no input 'zzz'; it has no inputs"):
        bind_inputs(workflow, {"zzz": "1"})
