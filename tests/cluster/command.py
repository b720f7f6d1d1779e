"""The command line, as a user calls it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.cluster.kubernetes import Namespace


class Command:
    """`textgen` in a folder, with the test's namespace."""

    def __init__(self, folder: Path, namespace: Namespace) -> None:
        self.folder, self.namespace = folder, namespace

    def words(self, name: str, *words: str) -> list[str]:
        return [sys.executable, "-m", "argo", name, *words, "-n", self.namespace.name]

    def __call__(self, name: str, *words: str, text: str = "", status: int = 0) -> str:
        """What it prints, errors included."""
        done = subprocess.run(
            self.words(name, *words),
            cwd=self.folder,
            env=environment(),
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=180,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    def started(self, name: str, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.words(name, *words),
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"}
