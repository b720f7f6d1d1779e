"""A template takes its parameters from plain `argo submit -p`, with any text in them."""

import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from argo.compile import ClusterConfig, FileOrigin, Kind, Security, render
from argo.compile.workflow import build
from argo.language import load
from job.datasets import DatasetRef
from tests.cluster.kubernetes import Namespace, kubectl

pytestmark = pytest.mark.cluster

WORKFLOW = Path(__file__).parents[1] / "compile" / "conformance" / "inputs.yaml"
NASTY = "q'\"`$(id) {{workflow.name}} {{=1+1}} {{ \x1b\x07\t\n😀 \\"


def test_parameters_reach_the_job_byte_for_byte(restricted: Namespace, tmp_path: Path) -> None:
    if not shutil.which("argo"):
        pytest.skip("no argo command line on PATH")
    cluster = ClusterConfig(security=Security.RESTRICTED, scale=Fraction(1, 16))
    origin = FileOrigin("inputs.yaml", "https://git.example/team/texts.git", "0123456789" * 4)
    manifest = render(build(load(WORKFLOW), Kind.TEMPLATE, cluster, origin), WORKFLOW.name)
    kubectl("-n", restricted.name, "apply", "-f", "-", text=manifest)
    words = ["argo", "-n", restricted.name, "submit", "--from", "workflowtemplate/inputs", "-o", "json"]
    done = subprocess.run(
        [*words, "-p", f"given={NASTY}", "-p", f"plain={NASTY}"], capture_output=True, text=True, check=True
    )
    run = json.loads(done.stdout)["metadata"]["name"]
    ended = restricted.ended(run)
    assert ended["status"]["phase"] == "Succeeded", ended["status"]
    assert ended["metadata"]["labels"]["textgen/commit"] == "0123456789" * 4
    listed = kubectl("-n", restricted.name, "get", "workflows", "-l", "dataset.textgen/inputs", "-o", "name")
    assert f"workflow.argoproj.io/{run}" in listed
    restricted.datasets.fetch(restricted.datasets.resolve(DatasetRef("inputs")), tmp_path / "result")
    assert (tmp_path / "result" / "one").read_bytes() == NASTY.encode()
    assert (tmp_path / "result" / "three").read_bytes() == NASTY.encode()
