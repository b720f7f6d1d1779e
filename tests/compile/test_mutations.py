"""What lint passes without an error compiles, to what the pods read; of the rest lint has warned."""

import json
from pathlib import Path
from typing import Any

import pytest

from argo.compile import ClusterConfig, FileOrigin, Kind
from argo.compile.lint import lint
from argo.compile.workflow import build
from argo.language import Severity, WorkflowError, load
from job.pod.results import job_folder
from job.pod.spec import SPEC, CommitSpec, InputsSpec, StoreSpec, load_spec
from tests.compile.test_specs import list_containers
from tests.mutations import mutate_values, seeds

REFUSED = {"local-only", "unknown-instance"}
SPECS: dict[str, type[InputsSpec | StoreSpec | CommitSpec]] = {
    "inputs": InputsSpec,
    "store": StoreSpec,
    "commit": CommitSpec,
}


def check_file(file: Path) -> str:
    """Compile the file if lint lets it. Returns what became of it."""
    diagnostics = lint(file)
    if any(each.severity is Severity.ERROR for each in diagnostics):
        return "error"
    workflow = load(file)
    warned = [(each.code, each.position, each.message) for each in diagnostics if each.code in REFUSED]
    for kind in (Kind.WORKFLOW, Kind.TEMPLATE):
        try:
            document = build(workflow, kind, ClusterConfig(), FileOrigin("flow.yaml"))
        except WorkflowError as error:
            assert [(each.code, each.position, each.message) for each in error.diagnostics] == warned
            return "refused"
        assert not warned
        check_specs(document)
    return "compiled"


def check_specs(document: dict[str, Any]) -> None:
    for template in document["spec"]["templates"]:
        for container in list_containers(template):
            environ = {each["name"]: each.get("value", "") for each in container.get("env", ())}
            if SPEC in environ:
                spec = load_spec(SPECS[container["command"][-1]], environ)
                assert spec.to_json() == json.loads(environ[SPEC])
                job_folder("run", "jobs", spec.job)
                if isinstance(spec, InputsSpec):
                    spec.check_paths()


@pytest.mark.parametrize("numbers", seeds(200), ids=str)
def test_what_lint_passes_compiles(numbers: range, tmp_path: Path) -> None:
    ends = []
    for seed in numbers:
        file = tmp_path / "flow.yaml"
        data = mutate_values(seed)
        file.write_bytes(data)
        try:
            ends.append(check_file(file))
        except BaseException as error:
            raise AssertionError(f"seed {seed}: {data[:2000]!r}") from error
    assert ends.count("compiled") >= len(numbers) / 5
