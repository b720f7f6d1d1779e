"""What is compiled, as files to review: snapshots/*.yaml. `UPDATE_SNAPSHOTS=1 pytest` writes them anew."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from argo.compile import ClusterConfig, FileOrigin, Kind, Security, render
from argo.compile.cluster_config import SharedClaim
from argo.compile.workflow import build
from argo.language import Workflow, load

ROOT = Path(__file__).parents[2]
REPOSITORY = FileOrigin(
    ".gradient/workflows/file.yaml", "https://git.example/team/texts.git", "0123456789" * 4
)
CLUSTER = ClusterConfig(
    registry="mirror.example/images",
    images={"textgen-job:0.1.0": "mirror.example/jobs/textgen:1"},
    claims={"storage": "team", "cache": "models"},
    shared=SharedClaim(storage_class="nfs", size="20Gi"),
    pull_secrets={"team-registry": "pull"},
)


def compile_text(
    workflow: Workflow,
    kind: Kind,
    cluster: ClusterConfig,
    values: Mapping[str, str] = MappingProxyType({}),
    schedule: str | None = None,
) -> str:
    document = build(workflow, kind, cluster, REPOSITORY, values=values, schedule=schedule)
    return render(document, REPOSITORY.file)


def compare(name: str, text: str) -> None:
    """Compare with the snapshot, or write it."""
    file = Path(__file__).parent / "snapshots" / f"{name}.yaml"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
    assert text == file.read_text("utf-8"), (
        f"differs from {file.name}; UPDATE_SNAPSHOTS=1 pytest writes it anew"
    )


EXAMPLES = ["arguments", "checkout", "datasets", "download", "inputs", "legacy", "model"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_conformance_workflow_compiles_to_its_snapshot(name: str) -> None:
    workflow = load(ROOT / "tests/compile/conformance" / f"{name}.yaml")
    compare(name, compile_text(workflow, Kind.WORKFLOW, ClusterConfig()))


@pytest.mark.parametrize("kind", [Kind.WORKFLOW, Kind.TEMPLATE])
def test_this_repositorys_workflow_compiles_to_its_snapshot(kind: Kind) -> None:
    workflow = load(ROOT / ".gradient/workflows/nlp-text-generation.yaml")
    compare(f"repository-{kind}", compile_text(workflow, kind, ClusterConfig(security=Security.RESTRICTED)))


def test_a_cluster_configuration_compiles_to_its_snapshot(tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    file.write_text(GPU, "utf-8")
    compare("gpu", compile_text(load(file), Kind.WORKFLOW, CLUSTER))


def test_a_schedule_compiles_to_its_snapshot() -> None:
    workflow = load(ROOT / ".gradient/workflows/nlp-text-generation.yaml")
    compare(
        "cron",
        compile_text(workflow, Kind.CRON, ClusterConfig(), values={"seed": "7"}, schedule="0 3 * * 1-5"),
    )


def test_the_same_input_gives_the_same_bytes() -> None:
    def once() -> str:
        workflow = load(ROOT / "tests/compile/conformance/datasets.yaml")
        return compile_text(workflow, Kind.WORKFLOW, ClusterConfig())

    assert once() == once()


GPU = """\
defaults:
  resources:
    instance-type: A100x2
    container-registries: [team-registry, Other_Registry]
jobs:
  train:
    uses: script@v1
    env:
      KEY: secret:API_KEY
    outputs:
      model: {type: dataset, with: {ref: model}}
    with:
      image: pytorch:2
      script: python3 train.py
  text:
    uses: container@v1
    with:
      image: textgen-job:0.1.0
      args: [generate]
"""
