"""A real API server, with Argo's full definitions, and Argo's own lint take what is compiled."""

import shutil
import subprocess
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import pytest

from argo.compile import ClusterConfig, FileOrigin, Kind, Security, render
from argo.compile.workflow import build
from argo.language import Workflow, check
from job.errors import InputError
from tests.cluster.kubernetes import kubectl
from tests.mutations import mutate_values
from tests.workflow_files import workflow_files

pytestmark = pytest.mark.cluster

MUTATED = 300


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every workflow file that has no errors, and some with something changed, compiled."""
    folder = tmp_path_factory.mktemp("compiled")
    for number, file in enumerate(workflow_files()):
        workflow = check(file).workflow
        if workflow is not None:
            cluster = ClusterConfig(security=Security.RESTRICTED if number % 2 else Security.BASELINE)
            values = {name: "x" for name, each in workflow.inputs.items() if each.default is None}
            for kind in (Kind.WORKFLOW, Kind.TEMPLATE):
                text = _compile(workflow, kind, cluster, values)
                (folder / f"{file.stem}.{kind}.yaml").write_text(text, "utf-8")
    for number, text in enumerate(islice(_compile_mutated(folder.parent / "flow.yaml"), MUTATED)):
        (folder / f"mutated-{number}.yaml").write_text(text, "utf-8")
    return folder


def _compile(workflow: Workflow, kind: Kind, cluster: ClusterConfig, values: dict[str, str]) -> str:
    origin = FileOrigin(workflow.path.name, "https://git.example/team/y.git", "0" * 40)
    return render(build(workflow, kind, cluster, origin, values=values), workflow.path.name)


def _compile_mutated(file: Path) -> Iterator[str]:
    for seed in count():
        file.write_bytes(mutate_values(seed))
        workflow = check(file).workflow
        if workflow is not None:
            values = {name: "x" for name, each in workflow.inputs.items() if each.default is None}
            try:
                yield _compile(workflow, Kind.WORKFLOW, ClusterConfig(), values)
            except InputError:  # which lint warns of
                continue


def test_the_api_server_takes_everything_strictly(cluster: None, compiled: Path) -> None:
    output = kubectl("create", "--dry-run=server", "--validate=strict", "-f", str(compiled))
    assert output.count("created (server dry run)") == len(list(compiled.iterdir()))


def test_argos_own_lint_finds_nothing(cluster: None, compiled: Path) -> None:
    if not shutil.which("argo"):
        pytest.skip("no argo command line on PATH")
    words = ["argo", "lint", "--offline", "--no-color", str(compiled)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
