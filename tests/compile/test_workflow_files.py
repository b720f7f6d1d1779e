"""Every workflow file that has no errors compiles, to YAML that any reader reads alike."""

import yaml
from ruamel.yaml import YAML

from argo.compile import ClusterConfig, FileOrigin, Kind, render
from argo.compile.workflow import build
from argo.language import check
from tests.workflow_files import workflow_files


def test_every_workflow_file_compiles() -> None:
    compiled = 0
    for file in workflow_files():
        workflow = check(file).workflow
        if workflow is None:
            continue
        values = {name: "x" for name, each in workflow.inputs.items() if each.default is None}
        origin = FileOrigin(file.name, "https://git.example/t/y.git")
        document = build(workflow, Kind.WORKFLOW, ClusterConfig(), origin, values=values)
        text = render(document, file.name)
        assert yaml.load(text, yaml.CSafeLoader) == document, file.name
        if compiled % 10 == 0:  # YAML 1.2; it is slow
            assert YAML(typ="safe", pure=True).load(text) == document, file.name
        names = [each["name"] for each in document["spec"]["templates"]]
        assert len(names) == len(set(names)), file.name
        compiled += 1
    assert compiled >= 25
