"""The command line, as a user calls it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
            timeout=600,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    @contextmanager
    def started(self, name: str, *words: str) -> "Iterator[subprocess.Popen[str]]":
        """The running command; it is ended if the test fails meanwhile, which would wait for it otherwise."""
        with subprocess.Popen(
            self.words(name, *words),
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield process
            except BaseException:
                process.kill()
                raise


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"}
