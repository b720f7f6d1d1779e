"""A test that hangs has failed, and the others go on."""

import subprocess
import sys
from pathlib import Path

CONFIGURATION = Path(__file__).parents[2] / "pyproject.toml"
TESTS = """\
import threading

def test_that_hangs():
    threading.Event().wait()

def test_that_ends():
    pass
"""


def test_a_test_that_hangs_has_failed_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "test_hanging.py").write_text(TESTS)
    limit = ["-o", "faulthandler_timeout=1"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", CONFIGURATION, "-p", "no:cacheprovider", "-n1", *limit, "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "::test_that_hangs'\n" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
    assert done.returncode == 1
