"""What is run once: a workflow file at a commit of a repository."""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath

from argo.compile import names
from argo.repository import repository_key
from job.datasets.reference import TRIGGERS
from job.text import one_line

_DIGEST = 12  # characters of 5 bits each
_LONGEST = 63  # of a Workflow's name, which Argo also makes a label


@dataclass(frozen=True, slots=True)
class Push:
    """A file at a commit. `branch` is the one by which it was seen, and takes no part in what it is."""

    url: str
    branch: str
    commit: str
    file: str

    @property
    def key(self) -> str:
        """Where the store keeps its record."""
        return f"{repository_prefix(self.url)}{self.commit}/{_digest(self.file)}.json"

    @property
    def run(self) -> str:
        """The name of its Workflow: the same for all spellings of the repository's URL."""
        digest = _digest("\n".join((repository_key(self.url), self.commit, self.file)))
        stem = names.resource(PurePosixPath(self.file).stem)[: _LONGEST - _DIGEST - 1].rstrip("-")
        return f"{stem}-{digest}"

    def __str__(self) -> str:
        # who pushes chooses the names of branches and files
        return one_line(f"{self.branch} {self.commit[:7]} {self.file}")


def repository_prefix(url: str) -> str:
    """The prefix of all that the store keeps of a repository."""
    return f"{TRIGGERS}/{_digest(repository_key(url))}/"


def _digest(text: str) -> str:
    found = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
    return base64.b32encode(found).decode().lower()[:_DIGEST]
