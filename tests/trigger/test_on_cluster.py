"""A push on a real cluster: one run, one version that names the commit, however many poll."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from argo.cluster.connection import connect
from argo.compile import ClusterConfig, Security
from argo.kubernetes_names import TRIGGER
from argo.trigger import Poller
from argo.trigger.push_record import read_push_record
from argo.trigger.push_workflow import STARTED, read_push
from job.datasets import DatasetRef
from job.storage.open import open_store
from tests.cluster.kubernetes import Namespace, images, kubectl, until
from tests.trigger.conftest import Remote
from tests.trigger.fake_cluster import KilledError, Requests, count_requests

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
CLUSTER = "scale: 1/16\nsecurity: restricted\n"
FILE = """
on: {github: {branches: {only: main}}}
jobs:
  cloneRepo:
    uses: git-checkout@v1
    outputs: {repo: {type: volume}}
    with: {url: context.event.github.url, ref: context.event.github.ref}
  write:
    uses: script@v1
    needs: [cloneRepo]
    inputs: {repo: cloneRepo.outputs.repo}
    outputs: {texts: {type: dataset, with: {ref: NAME}}}
    with: {image: 'debian:12', script: cp /inputs/repo/setting /outputs/texts/}
"""


class Pushed:
    """A repository that the cluster reaches, whose workflow commits to a dataset of its own."""

    def __init__(self, remote: Remote, git_server: tuple[Path, str], name: str) -> None:
        self.remote, self.name = remote, name
        self.bare, self.url = git_server[0] / f"{name}.git", f"{git_server[1]}/{name}.git"
        remote.git("init", "--quiet", "--bare", str(self.bare))

    def push(self, setting: str) -> str:
        (self.remote.work / "setting").write_text(setting)
        commit = self.remote.push({f"{self.name}.yaml": FILE.replace("NAME", self.name)})
        self.remote.git("push", "--quiet", str(self.bare), "main")
        return commit

    def runs(self, namespace: Namespace) -> list[str]:
        label = f"textgen/workflow={self.name}"
        result = kubectl("-n", namespace.name, "get", "workflows", "-l", label, "-o", "name")
        return [line.rpartition("/")[2] for line in result.splitlines()]

    def versions(self, namespace: Namespace) -> dict[str, str]:
        """The text of each version's commit, by the commit."""
        result = {}
        for version in namespace.datasets.versions(DatasetRef(self.name)):
            lineage = namespace.datasets.manifest(version).lineage
            repository = lineage["repository"]
            assert isinstance(repository, dict)
            assert repository["url"] == self.url
            result[repository["commit"]] = str(lineage["run"])
        return result


def poll(url: str, namespace: Namespace, folder: Path) -> str:
    """What `textgen trigger poll` prints."""
    (folder / "cluster.yaml").write_text(CLUSTER)
    words = [sys.executable, "-m", "argo", "trigger", "poll", url, "-n", namespace.name]
    words += ["--cluster", str(folder / "cluster.yaml")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_push_of_a_changed_setting_makes_one_run_and_one_version_that_names_the_commit(
    restricted: Namespace, git_server: tuple[Path, str], remote: Remote, tmp_path: Path
) -> None:
    pushed = Pushed(remote, git_server, "setting")
    commits = []
    for setting in ("one", "two"):
        commits.append(pushed.push(setting))
        assert "submitted setting-" in poll(pushed.url, restricted, tmp_path)
        assert poll(pushed.url, restricted, tmp_path) == ""
    for run in pushed.runs(restricted):
        assert restricted.ended(run)["status"]["phase"] == "Succeeded"
    assert pushed.versions(restricted).keys() == set(commits)
    assert len(pushed.runs(restricted)) == 2


def test_the_same_push_seen_by_eight_pollers_at_once_makes_one_run(
    restricted: Namespace, git_server: tuple[Path, str], remote: Remote, tmp_path: Path
) -> None:
    pushed = Pushed(remote, git_server, "seen")
    commit = pushed.push("one")
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: poll(pushed.url, restricted, tmp_path), range(8)))
    assert any("submitted seen-" in each for each in said)
    (run,) = pushed.runs(restricted)
    assert restricted.ended(run)["status"]["phase"] == "Succeeded"
    assert pushed.versions(restricted) == {commit: run}
    kubectl("-n", restricted.name, "delete", "workflow", run)
    assert poll(pushed.url, restricted, tmp_path) == ""
    assert pushed.runs(restricted) == []


def test_a_poller_killed_at_any_of_its_requests_loses_no_commit(
    restricted: Namespace, git_server: tuple[Path, str], remote: Remote
) -> None:
    pushed = Pushed(remote, git_server, "killed")
    api, store = connect(None, restricted.name), open_store(restricted.store)
    # the runs are of no interest here
    kubectl("-n", restricted.name, "create", "quota", "no-pods", "--hard=pods=0")

    def polled(requests: Requests) -> None:
        seen = count_requests(api, requests), count_requests(store, requests)
        poller = Poller(*seen, ClusterConfig(security=Security.RESTRICTED), None, os.environ)
        poller.resume([pushed.url], print)
        assert poller.poll(pushed.url, print)

    try:
        whole = Requests()
        commits = {pushed.push("whole")}
        polled(whole)
        for last in range(whole.count):
            for answered in (False, True):
                commits.add(pushed.push(f"{last} {answered}"))
                with pytest.raises(KilledError):
                    polled(Requests(last, answered=answered))
                polled(Requests())
        runs = [restricted.get(run) for run in pushed.runs(restricted)]
        done = set()
        for run in runs:
            push = read_push(run["metadata"])
            assert push
            record = read_push_record(store, push)
            assert record
            assert record.uid == run["metadata"]["uid"]
            assert run["metadata"]["labels"][TRIGGER] == STARTED
            done.add(push.commit)
        assert done == commits
        assert len(runs) == len(commits)
    finally:
        kubectl("-n", restricted.name, "delete", "workflows", "-l", "textgen/workflow=killed", "--wait=false")
        kubectl("-n", restricted.name, "delete", "quota", "no-pods")


def test_the_cluster_polls_by_itself(
    restricted: Namespace, git_server: tuple[Path, str], remote: Remote, tmp_path: Path
) -> None:
    if not any("library/textgen-trigger:" in name for name in images()):
        pytest.skip("the cluster has no image textgen-trigger")
    pushed = Pushed(remote, git_server, "cron")
    commit = pushed.push("one")
    (tmp_path / "k8s").symlink_to(ROOT / "k8s")
    (tmp_path / "cluster.yaml").write_text(CLUSTER)
    generated = {
        "name": "textgen-trigger",
        "behavior": "merge",
        "literals": [f"repositories={pushed.url}"],
        "files": ["cluster.yaml"],
    }
    kustomization = {
        "namespace": restricted.name,
        "resources": ["k8s/overlays/trigger"],
        "configMapGenerator": [generated],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    words = ("--server-side", "--validate=strict", "-k", str(tmp_path))
    kubectl("apply", *words)
    try:
        (run,) = until(lambda: pushed.runs(restricted), "the poll's run", 600, every=1)
        assert restricted.ended(run)["status"]["phase"] == "Succeeded"
        assert pushed.versions(restricted) == {commit: run}
    finally:
        kubectl("-n", restricted.name, "delete", "cronworkflow", "textgen-trigger")


def test_a_file_that_cannot_run_is_an_event(
    restricted: Namespace, git_server: tuple[Path, str], remote: Remote, tmp_path: Path
) -> None:
    pushed = Pushed(remote, git_server, "broken")
    remote.push({"broken.yaml": "jobs: ["})
    remote.git("push", "--quiet", str(pushed.bare), "main")
    assert "can't run" in poll(pushed.url, restricted, tmp_path)
    words = ("get", "events", "--field-selector", "reason=InvalidWorkflowFile", "-o", "json")
    (event,) = json.loads(kubectl("-n", restricted.name, *words))["items"]
    assert ".gradient/workflows/broken.yaml:1:" in event["message"]
