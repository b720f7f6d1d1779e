"""YAML that an earlier release compiled, before the spec had a version, runs with this release's image.

`earlier_release.yaml` is what it printed for two jobs, which hand on a volume, a string and a dataset. In its
pods, `commit` has the store's credentials and stores the outputs itself.
"""

from pathlib import Path

import pytest

from job.datasets import DatasetRef
from tests.cluster.command import Command
from tests.cluster.kubernetes import Namespace

pytestmark = pytest.mark.cluster

FILE = Path(__file__).with_name("earlier_release.yaml")


def test_a_committed_file_of_an_earlier_release_runs_and_is_shown(
    baseline: Namespace, tmp_path: Path
) -> None:
    run = baseline.create(FILE.read_text("utf-8"))
    assert baseline.ended(run)["status"]["phase"] == "Succeeded"
    datasets = baseline.datasets
    version = datasets.resolve(DatasetRef("second"))
    datasets.fetch(version, tmp_path / "fetched")
    assert (tmp_path / "fetched/all.txt").read_text() == "v\nstringHello, world\n"
    textgen = Command(tmp_path, baseline)
    assert f"out={version}" in textgen("get", run)
    assert "committed second:" in textgen("logs", run, "second")
