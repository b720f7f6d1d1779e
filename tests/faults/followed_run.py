"""A run that is followed by the command line, to be hit meanwhile."""

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from job.datasets import DatasetRef
from job.errors import UnknownReferenceError
from tests.cluster.command import Command
from tests.cluster.kubernetes import Namespace, until


def command(folder: Path, namespace: Namespace, workflow: str) -> Command:
    """The command line in a folder with the workflow, and a cluster's file for small nodes."""
    (folder / ".textgen").mkdir()
    (folder / "cluster.yaml").write_text("scale: 1/16\nsecurity: restricted\n")
    (folder / "workflow.yaml").write_text(workflow)
    return Command(folder, namespace)


@dataclass
class Followed:
    """A process that follows a run, and the lines that it has printed."""

    process: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.lines)

    @property
    def run(self) -> str:
        """The name of the run that was submitted."""
        match = until(lambda: re.search(r"submitted (\S+) to", self.text), f"a run: {self.text}", 300)
        return match[1]

    def read(self) -> None:
        assert self.process.stdout
        self.lines.extend(self.process.stdout)


@contextmanager
def follow(textgen: Command, *words: str) -> Iterator[Followed]:
    """`textgen submit` or `watch`, which ends with the run."""
    with textgen.started(*words) as process:
        followed = Followed(process)
        reader = threading.Thread(target=followed.read)
        reader.start()
        try:
            yield followed
        finally:
            process.kill()
            reader.join()


@contextmanager
def submit(textgen: Command) -> Iterator[Followed]:
    """`textgen submit` of the workflow."""
    with follow(textgen, "submit", "workflow.yaml", "--cluster", "cluster.yaml") as followed:
        yield followed


def whole_versions(namespace: Namespace, dataset: str) -> int:
    """How many versions a dataset has; not one of them is torn."""
    try:
        versions = namespace.datasets.versions(DatasetRef(dataset))
    except UnknownReferenceError:
        return 0
    problems = [line for version in versions for line in namespace.datasets.verify(version)]
    assert not problems
    return len(versions)
