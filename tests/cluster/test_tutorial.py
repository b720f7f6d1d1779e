"""The tutorial's own workflow file, as it is, in a namespace that enforces Pod Security "baseline"."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from job.datasets import DatasetRef, Datasets
from tests.cluster.command import Command
from tests.cluster.kubernetes import Namespace, images
from tests.git import committed, git
from tests.tutorial import FILE, SCRIPT, hub

pytestmark = [pytest.mark.cluster, pytest.mark.model]

WORKFLOW = ".gradient/workflows/nlp-text-generation.yaml"


def test_the_tutorial_makes_the_same_text_as_on_this_machine(
    baseline: Namespace, git_server: tuple[Path, str], tmp_path: Path
) -> None:
    if not any("paperspace/transformers-gpu:0.4.0" in name for name in images()):
        pytest.skip("the cluster has no stand-in for paperspace/transformers-gpu:0.4.0")
    folder, url = git_server
    clone = tmp_path / "clone"
    commit = repository(folder / "tutorial.git", f"{url}/tutorial.git", clone)
    (clone / ".git/info/exclude").write_text("cluster.yaml\n")
    (clone / "cluster.yaml").write_text("scale: 2/5\n")

    shown = Command(clone, baseline)("submit", WORKFLOW, "--cluster", "cluster.yaml")
    assert re.search(r"generateText made demo-dataset:\w+", shown), shown
    version = baseline.datasets.resolve(DatasetRef("demo-dataset"))
    origin = {"url": f"{url}/tutorial.git", "commit": commit}
    assert baseline.datasets.manifest(version).lineage["repository"] == origin
    baseline.datasets.fetch(version, tmp_path / "there")

    subprocess.run(
        [sys.executable, "-m", "argo", "run", WORKFLOW],
        cwd=clone,
        env={**os.environ, **hub(tmp_path / "hub")},
        check=True,
        capture_output=True,
    )
    local = Datasets.at(f"file://{clone}/.textgen/datasets")
    local.fetch(local.resolve(DatasetRef("demo-dataset")), tmp_path / "here")
    text = (tmp_path / "there/output.txt").read_text("utf-8")
    assert "Output 2 of 2" in text
    assert text == (tmp_path / "here/output.txt").read_text("utf-8")


def repository(bare: Path, url: str, clone: Path) -> str:
    """A repository like the tutorial's, served, and a clone of it; its commit."""
    (clone / WORKFLOW).parent.mkdir(parents=True)
    (clone / WORKFLOW).write_bytes(FILE.read_bytes())
    (clone / "nlp_text_generation.py").write_text(SCRIPT, "utf-8")
    commit = committed(clone)
    git(clone, "clone", "-q", "--bare", ".", str(bare))
    git(clone, "remote", "add", "origin", url)
    git(clone, "fetch", "-q", "origin")
    return commit
