"""Inputs of the workflow as parameters of Argo."""

from pathlib import Path

import pytest

from argo.compile import ClusterConfig, FileOrigin, Kind
from argo.compile.workflow import build
from argo.language import load
from job.errors import InputError
from tests.compile.conftest import CompileSpec

READ = "uses: script@v1, inputs: {data: workflow.inputs.data}, with: {image: a, script: 'true'}"
FLOW = f"inputs: {{data: {{type: dataset}}, text: {{type: string}}}}\njobs: {{read: {{{READ}}}}}\n"


@pytest.mark.parametrize("kind", [Kind.WORKFLOW, Kind.TEMPLATE])
def test_an_input_without_a_value_is_a_parameter_without_one(kind: Kind, tmp_path: Path) -> None:
    file = tmp_path / "flow.yaml"
    file.write_text(FLOW)
    document = build(load(file), kind, ClusterConfig(), FileOrigin(file.name))
    parameters = {each["name"]: each for each in document["spec"]["arguments"]["parameters"]}
    assert parameters["data"] == {"name": "data"}
    assert parameters["text"] == {"name": "text"}


def test_a_dataset_that_is_given_is_checked(compile_spec: CompileSpec) -> None:
    parameters = compile_spec(FLOW, data="team/two:v1")["arguments"]["parameters"]
    assert {"name": "data", "value": "team/two:v1"} in parameters
    with pytest.raises(InputError, match="input 'data': not a dataset reference: '-'"):
        compile_spec(FLOW, data="-")


def test_a_name_that_is_no_input_is_refused(compile_spec: CompileSpec) -> None:
    with pytest.raises(InputError, match="no input 'zzz'; its inputs are data, text"):
        compile_spec(FLOW, zzz="1")
