"""What the compiler tells a pod's containers is what they read, and its environment has all that it names."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from argo.compile import ClusterConfig, FileOrigin, Kind
from argo.compile.workflow import build
from argo.language import load
from job.pod.spec import SPEC, CommitSpec, InputsSpec, StoreSpec, load_spec
from job.pod.values import parameter_variable

WORKFLOWS = sorted((Path(__file__).parent / "conformance").glob("*.yaml"))


def list_containers(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from template.get("initContainers", ())
    yield from template.get("containerSet", {}).get("containers", ())
    if "container" in template:
        yield template["container"]


def list_variables(value: Any) -> Iterator[str]:
    """The variables that a spec's JSON refers to."""
    if isinstance(value, list):
        for element in value:
            yield from list_variables(element)
    elif isinstance(value, dict):
        if isinstance(value.get("variable"), str):
            yield value["variable"]
        if isinstance(value.get("parameter"), str):
            yield parameter_variable(value["parameter"])
        for element in value.values():
            yield from list_variables(element)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_container_reads_its_spec_and_has_its_variables(path: Path) -> None:
    workflow = load(path)
    values = {name: "x" for name, each in workflow.inputs.items() if each.default is None}
    document = build(workflow, Kind.WORKFLOW, ClusterConfig(), FileOrigin(path.name), values=values)
    kinds: dict[str, type[InputsSpec | StoreSpec | CommitSpec]] = {
        "inputs": InputsSpec,
        "store": StoreSpec,
        "commit": CommitSpec,
    }
    count = 0
    for template in document["spec"]["templates"]:
        for container in list_containers(template):
            environ = {each["name"]: each.get("value", "") for each in container.get("env", ())}
            if SPEC in environ:
                spec = load_spec(kinds[container["command"][-1]], environ)
                assert spec.to_json() == json.loads(environ[SPEC])
                assert set(list_variables(spec.to_json())) <= environ.keys()
                count += 1
    assert count
