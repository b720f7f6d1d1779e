"""A real API server, with Argo's full definitions, and Argo's own lint take what is compiled."""

import shutil
import subprocess
from pathlib import Path

import pytest

from argo.compile import ClusterConfig, FileOrigin, Kind, Security, render
from argo.compile.workflow import build
from argo.language import check
from tests.cluster.kubernetes import kubectl
from tests.workflow_files import workflow_files

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every workflow file that has no errors, compiled."""
    folder = tmp_path_factory.mktemp("compiled")
    for number, file in enumerate(workflow_files()):
        workflow = check(file).workflow
        if workflow is not None:
            for kind in (Kind.WORKFLOW, Kind.TEMPLATE):
                cluster = ClusterConfig(security=Security.RESTRICTED if number % 2 else Security.BASELINE)
                origin = FileOrigin(file.name, "https://git.example/team/y.git", "0" * 40)
                values = {name: "x" for name, each in workflow.inputs.items() if each.default is None}
                text = render(build(workflow, kind, cluster, origin, values=values), file.name)
                (folder / f"{file.stem}.{kind}.yaml").write_text(text, "utf-8")
    return folder


def test_the_api_server_takes_everything_strictly(cluster: None, compiled: Path) -> None:
    output = kubectl("create", "--dry-run=server", "--validate=strict", "-f", str(compiled))
    assert output.count("created (server dry run)") == len(list(compiled.iterdir()))


def test_argos_own_lint_finds_nothing(cluster: None, compiled: Path) -> None:
    if not shutil.which("argo"):
        pytest.skip("no argo command line on PATH")
    words = ["argo", "lint", "--offline", "--no-color", str(compiled)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
