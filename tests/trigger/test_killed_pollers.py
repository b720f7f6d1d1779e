"""Pollers that are killed, race or are late: every file of a commit starts once."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from argo.cluster.api import Object
from job.storage.directory import Directory
from tests.trigger.conftest import FOLDER, World, workflow
from tests.trigger.fake_cluster import FakeCluster, KilledError, Requests

URL = "https://git.example/team/texts.git"
COMMIT = "0123456789" * 4
FILES = {
    f"{FOLDER}/a.yaml": workflow().encode(),
    f"{FOLDER}/b.yaml": workflow("[main, dev]").encode(),
    f"{FOLDER}/broken.yaml": b"jobs: [",
}


class FakeRepository:
    """A repository in which this commit is the newest of two branches."""

    def __init__(self, url: str, *_: Any) -> None:
        self.url = url

    def list_branches(self) -> dict[str, str]:
        return {"main": COMMIT, "dev": COMMIT}

    def fetch_branches(self, branches: list[str], depth: int) -> dict[str, str]:
        return dict.fromkeys(branches, COMMIT)

    def read_workflow_files(self, commit: str) -> list[tuple[str, bytes]]:
        return list(FILES.items())


# In place of Hera, which is slow.
def build(*_: Any, **__: Any) -> Object:
    return {"metadata": {"generateName": "x-", "labels": {}, "annotations": {}}, "spec": {}}


@pytest.fixture(autouse=True)
def _fake_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("argo.trigger.poll.RemoteRepository", FakeRepository)
    monkeypatch.setattr("argo.trigger.push_workflow.build", build)


def assert_each_file_ran_once(world: World) -> None:
    """Each file that can run has started once, and its record names that very Workflow."""
    assert sorted(name[0] for name in world.cluster.started) == ["a", "b"]
    for name, uids in world.cluster.started.items():
        assert len(uids) == 1
        texts = [path.read_text() for path in world.store.root.rglob("triggers/*/*/*.json")]
        assert sum(f'"run": "{name}"' in text and uids[0] in text for text in texts) == 1


def count_requests(folder: Path) -> int:
    requests = Requests()
    World(FakeCluster(), Directory(folder)).poll(URL, requests)
    return requests.count


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("expired", [False, True])
def test_a_poller_killed_at_any_request_runs_each_file_once(
    answered: bool, expired: bool, tmp_path: Path
) -> None:
    count = count_requests(tmp_path / "whole")
    assert count > 12
    for last in range(count):
        world = World(FakeCluster(), Directory(tmp_path / f"{last}"))
        with pytest.raises(KilledError):
            world.poll(URL, Requests(last, answered=answered))
        if expired:  # nobody polls for longer than a run is kept
            world.cluster.expire()
        world.poll(URL)
        assert_each_file_ran_once(world)
        world.cluster.expire()
        world.poll(URL)
        assert_each_file_ran_once(world)


def test_eight_pollers_at_once_make_one_run(world: World) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: world.poll(URL), range(8)))
    assert_each_file_ran_once(world)


def test_a_poller_that_is_late_by_a_whole_run_starts_nothing(world: World) -> None:
    create = world.cluster.create

    def late(path: str, body: dict[str, Any]) -> dict[str, Any]:
        world.cluster.create = create  # type: ignore[method-assign]
        world.poll(URL)
        world.cluster.expire()
        return create(path, body)

    world.cluster.create = late  # type: ignore[method-assign]
    lines = world.poll(URL)
    assert_each_file_ran_once(world)
    assert any("already had the run a-" in line for line in lines)
    assert not any(each["spec"].get("suspend") for each in world.cluster.list_kind("workflows"))


KILLS = st.tuples(st.integers(0, 40), st.booleans(), st.booleans())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kills=st.lists(KILLS, max_size=6))
def test_any_series_of_kills_ends_in_one_run(
    kills: list[tuple[int, bool, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    world = World(FakeCluster(), Directory(tmp_path_factory.mktemp("row")))
    for last, answered, expired in kills:
        with suppress(KilledError):
            world.poll(URL, Requests(last, answered=answered))
        if expired:
            world.cluster.expire()
    world.poll(URL)
    assert_each_file_ran_once(world)


def test_a_store_without_conditional_writes_has_one_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Directory, "supports_conditional_writes", lambda _: False)
    monkeypatch.delattr(Directory, "put_if_absent")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: world.poll(URL), range(8)))
    assert_each_file_ran_once(world)
