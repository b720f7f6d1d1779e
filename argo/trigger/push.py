"""A push: what runs once, a workflow file at a commit of a repository."""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath

from argo.compile.names import resource_name
from argo.repository import repository_key
from job.datasets.reference import TRIGGERS
from job.text import one_line

_DIGEST_LENGTH = 12  # characters of 5 bits each
_MAX_NAME = 63  # characters of a Workflow's name, which Argo also uses as a label


@dataclass(frozen=True, slots=True)
class Push:
    """A file at a commit. `branch` is where the commit was found; it is no part of the push's identity."""

    url: str
    branch: str
    commit: str
    file: str

    @property
    def key(self) -> str:
        """The key of its record in the store."""
        return f"{repository_prefix(self.url)}{self.commit}/{_digest(self.file)}.json"

    @property
    def run(self) -> str:
        """The name of its Workflow; the same for every spelling of the repository's URL."""
        digest = _digest("\n".join((repository_key(self.url), self.commit, self.file)))
        stem = resource_name(PurePosixPath(self.file).stem)[: _MAX_NAME - _DIGEST_LENGTH - 1].rstrip("-")
        return f"{stem}-{digest}"

    def __str__(self) -> str:
        # a pusher chooses the names of branches and files
        return one_line(f"{self.branch} {self.commit[:7]} {self.file}")


def repository_prefix(url: str) -> str:
    """The prefix of all keys of a repository."""
    return f"{TRIGGERS}/{_digest(repository_key(url))}/"


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
    return base64.b32encode(digest).decode().lower()[:_DIGEST_LENGTH]
