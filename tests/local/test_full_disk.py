"""A job that fills the disk fails in one line, and takes nothing with it that was there."""

import os
import re
import subprocess
import sys

import pytest

from tests.local.conftest import Repository, script, workflow

OUTPUTS = "{d: {type: dataset, with: {ref: d}}}"
SMALL = workflow(job=script("echo small > /outputs/d/file", outputs=OUTPUTS))
FULL = workflow(job=script("cat /dev/zero > /outputs/d/file", outputs=OUTPUTS))
COMMANDS = """
mount -t tmpfs -o size=4m,mode=700 textgen .textgen || exit 99
"$0" -m argo run small.yaml > /dev/null || exit 98
"$0" -m argo run full.yaml > /dev/null && exit 97
"$0" -m argo list | awk '{print $1, $2}' | sed 's/-.....//'
"$0" -m argo dataset get d got > /dev/null && cat got/file
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small file system")
def test_a_job_that_fills_the_disk_fails_in_one_line_and_nothing_is_lost(repository: Repository) -> None:
    repository.write("small.yaml", SMALL)
    repository.write("full.yaml", FULL)
    (repository.root / ".textgen").mkdir()
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", COMMANDS, sys.executable],
        cwd=repository.root,
        capture_output=True,
        text=True,
        check=False,
    )
    run = rf"{re.escape(str(repository.root))}/\.textgen/runs/full-\w{{5}}"
    assert done.returncode == 0
    assert re.fullmatch(rf"textgen: {run}/run\.json: No space left on device\n", done.stderr), done.stderr
    assert done.stdout.splitlines() == ["NAME STATUS", "full Failed", "small Succeeded", "small"]
