"""Repositories to push to, and a cluster and a store that pollers share."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from argo.compile import ClusterConfig
from argo.trigger import Poller
from job.storage.directory import Directory
from tests.git import git, no_configuration
from tests.trigger.fake_cluster import FakeCluster, Requests

__all__ = ["no_configuration"]

FOLDER = Path(".gradient/workflows")


def workflow(branch: str = "main", script: str = "true") -> str:
    """A file that a push to the branch runs."""
    return (
        f"on: {{github: {{branches: {{only: {branch}}}}}}}\n"
        f"jobs: {{say: {{uses: script@v1, with: {{image: 'debian:12', script: {script}}}}}}}\n"
    )


@dataclass(frozen=True)
class Remote:
    """A repository with a working tree of its own; what is committed in it is pushed."""

    work: Path

    @property
    def url(self) -> str:
        return self.work.as_uri()

    def git(self, *words: str) -> str:
        return git(self.work, *words)

    def push(self, files: dict[str, str] | None = None) -> str:
        """Commit these workflow files beside what is there; the commit."""
        for name, text in (files or {}).items():
            (self.work / FOLDER).mkdir(parents=True, exist_ok=True)
            (self.work / FOLDER / name).write_text(text, "utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=x")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    """An empty repository."""
    repository = Remote(tmp_path / "remote")
    repository.work.mkdir()
    repository.git("init", "--quiet", "--initial-branch=main")
    return repository


@dataclass(frozen=True)
class World:
    """The cluster and the store that pollers share."""

    cluster: FakeCluster
    store: Directory

    def poller(self, requests: Requests | None = None, **options: object) -> Poller:
        """A poller whose requests are counted."""
        from tests.trigger.fake_cluster import count_requests

        requests = requests or Requests()
        api, store = count_requests(self.cluster, requests), count_requests(self.store, requests)
        return Poller(api, store, ClusterConfig(), None, os.environ, **options)  # type: ignore[arg-type]

    def poll(self, url: str, requests: Requests | None = None, **options: object) -> list[str]:
        """The lines that one poll logs, without the URL."""
        lines: list[str] = []
        poller = self.poller(requests, **options)
        poller.resume([url], lines.append)
        poller.poll(url, lines.append)
        return [line.removeprefix(f"{url} ") for line in lines]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(FakeCluster(), Directory(tmp_path / "store"))
