"""An ordinary user's jobs have one id in their user namespace. Run as root, this looks at such a user."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.local.conftest import Repository, script, workflow

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", 'exec "$0" "$@"')
TEXT = workflow(
    clone="""
        outputs: {repo: {type: volume}}
        uses: git-checkout@v1
        with: {url: context.event.github.url}
        """,
    job=script(
        """
        id -u; cp -R /inputs/repo /nlp && cd /nlp && cp file /outputs/d
        echo x > /inputs/repo/file; echo x > /etc/made; echo x > /root/made && ls /root
        """,
        needs="[clone]",
        inputs="{repo: clone.outputs.repo}",
        outputs="{d: {type: dataset, with: {ref: d}}}",
    ),
)


def python_of_nobody(environment: dict[str, str]) -> str:
    """A Python that another user can start and that finds this package."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv, to become another user")
    for python in (sys.executable, shutil.which("python3", path="/usr/local/bin:/usr/bin") or ""):
        words = [*NOBODY, python, "-c", "import sys, argo.local.runner; assert sys.version_info >= (3, 11)"]
        if subprocess.run(words, env=environment, capture_output=True, check=False).returncode == 0:
            return python
    pytest.skip("no Python 3.11 that another user can start")


def test_a_workflow_runs_for_a_user_who_is_not_root(repository: Repository, tmp_path: Path) -> None:
    site = [path for path in sys.path if "site-packages" in path]
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, *site]), "HOME": str(tmp_path)}
    python = python_of_nobody(environment)
    repository.write("file", "from the repository\n")
    repository.write("work.yaml", TEXT)
    for folder in (repository.root, *repository.root.rglob("*")):
        os.chown(folder, 65534, 65534)
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder).startswith("/tmp/pytest"):
            folder.chmod(0o755)
    done = subprocess.run(
        [*NOBODY, python, "-m", "argo", "run", "work.yaml"],
        cwd=repository.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert {"job   | 0", "job   | made"} <= set(done.stdout.splitlines())
    assert repository.files("d") == {"file": "from the repository\n"}
    assert not Path("/etc/made").exists()
