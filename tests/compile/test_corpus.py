"""Every real file that has no errors compiles, to YAML that any reader reads alike."""

from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML

from argo.compile import ClusterConfig, FileOrigin, Kind, render
from argo.compile.workflow import build
from argo.language import check

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
FILES = sorted(CORPUS.glob("*.y*ml"))


@pytest.mark.skipif(not FILES, reason="the collection of real files is not on this machine")
def test_every_real_file_compiles() -> None:
    compiled = 0
    for file in FILES:
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
    assert compiled >= 45
