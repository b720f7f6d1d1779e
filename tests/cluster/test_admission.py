"""A real API server, with Argo's full definitions, and Argo's own lint take what is compiled."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
import yaml

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


def test_the_api_server_takes_the_jobs_pods(cluster: None, compiled: Path) -> None:
    pods = [pod for file in compiled.glob("mutated-*.yaml") for pod in _list_pods(file)]
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": pods})
    output = kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", text=document)
    assert output.count("created (server dry run)") == len(pods) >= MUTATED


def _list_pods(file: Path) -> Iterator[dict[str, Any]]:
    """The pod of each job of a Workflow as Argo makes it, without what Argo adds."""
    spec = yaml.load(file.read_text("utf-8"), yaml.CSafeLoader)["spec"]
    claims = [
        {"name": each["metadata"]["name"], "emptyDir": {}} for each in spec.get("volumeClaimTemplates", ())
    ]
    for template in spec["templates"]:
        if "dag" in template:
            continue
        containers = template.get("containerSet", {}).get("containers")
        containers = containers or [{"name": "main", **template["container"]}]
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"generateName": "job-", **template["metadata"]},
            "spec": {
                "containers": [{k: v for k, v in each.items() if k != "dependencies"} for each in containers],
                "initContainers": template["initContainers"],
                "volumes": [*template.get("volumes", ()), *claims],
                "securityContext": spec["securityContext"],
                "automountServiceAccountToken": False,
                **{
                    key: template[key]
                    for key in ("nodeSelector", "tolerations", "affinity")
                    if key in template
                },
            },
        }


def test_argos_own_lint_finds_nothing(cluster: None, compiled: Path) -> None:
    if not shutil.which("argo"):
        pytest.skip("no argo command line on PATH")
    words = ["argo", "lint", "--offline", "--no-color", str(compiled)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
