"""Files keep the modes that the job's root gave them, though another user stores them."""

from pathlib import Path

import pytest

from job.datasets import DatasetRef
from tests.cluster.command import Command
from tests.cluster.kubernetes import Namespace

pytestmark = pytest.mark.cluster

WORKFLOW = """
jobs:
  writes:
    uses: script@v1
    outputs: {data: {type: dataset, with: {ref: modes}}}
    with:
      image: debian:12
      script: |
        cd /outputs/data
        for mode in 600 640 644 755; do echo text > $mode; chmod $mode $mode; done
"""


def test_a_version_has_the_modes_that_a_job_gave_its_files(baseline: Namespace, tmp_path: Path) -> None:
    (tmp_path / ".textgen").mkdir()
    (tmp_path / "workflow.yaml").write_text(WORKFLOW)
    (tmp_path / "cluster.yaml").write_text("scale: 1/16\n")
    Command(tmp_path, baseline)("submit", "workflow.yaml", "--cluster", "cluster.yaml")
    baseline.datasets.fetch(baseline.datasets.resolve(DatasetRef("modes")), tmp_path / "fetched")
    modes = {path.name: f"{path.stat().st_mode & 0o777:o}" for path in (tmp_path / "fetched").iterdir()}
    assert modes == {name: name for name in ("600", "640", "644", "755")}
