"""What the jobs of a run decide together, also on a store without conditional writes."""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace

import pytest

from job.errors import InputError, StoreError
from job.pod import results
from job.pod.results import decide_commit, job_folder, read_commit
from job.storage.directory import Directory
from job.storage.store import KeyAbsentError


class Unconditional(Directory):
    """A store without conditional writes, on which all jobs look before one of them puts anything."""

    looking = Barrier(3)

    def supports_conditional_writes(self) -> bool:
        return False

    def put_if_absent(self, key: str, body: bytes) -> bool:
        raise AssertionError("a conditional write on a store that does not support it")

    def get(self, key: str) -> bytes:
        try:
            return super().get(key)
        except KeyAbsentError:
            self.looking.wait(60)
            raise


@pytest.fixture
def store(tmp_path: Path) -> Unconditional:
    return Unconditional(tmp_path)


def test_jobs_agree_without_conditional_writes(store: Unconditional, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait is over when every job has put its own, however long that takes."""
    settled, put, turns = Barrier(3), store.put, count()
    clock = SimpleNamespace(sleep=lambda _: settled.wait(60), monotonic=time.monotonic)

    def put_in_turn(key: str, body: bytes) -> None:
        time.sleep(0.05 * next(turns))
        put(key, body)

    monkeypatch.setattr(store, "put", put_in_turn)
    monkeypatch.setattr(results, "SETTLED", 120.0)
    monkeypatch.setattr(results, "time", clock)
    with ThreadPoolExecutor(3) as pool:
        decided = set(pool.map(lambda job: decide_commit(store, "run", "job", job), "abc"))
    assert len(decided) == 1
    monkeypatch.setattr(clock, "sleep", lambda _: None)
    assert read_commit(store, "run", "job") in decided


def test_a_decision_that_may_yet_change_is_read_again(
    store: Unconditional, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "runs/run/commits/job.json"
    store.put(key, b'{"commit": "a"}')
    monkeypatch.setattr(time, "sleep", lambda _: store.put(key, b'{"commit": "b"}'))
    assert read_commit(store, "run", "job") == "b"


def test_a_store_that_is_too_slow_to_agree_on_is_an_error(
    store: Unconditional, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "looking", Barrier(1))
    monkeypatch.setattr(results, "SETTLED", -1.0)
    with pytest.raises(StoreError, match=r"commits/job.json: took over .* start the run again"):
        decide_commit(store, "run", "job", "a")


@pytest.mark.parametrize("job", ["a", "1", "_", "_a-b_", "A-"])
def test_a_job_has_a_folder_under_every_name_that_a_file_may_give_it(job: str) -> None:
    assert job_folder("run", "jobs", job) == f"runs/run/jobs/{job}"


@pytest.mark.parametrize("job", ["", "-", "..", "a/b", "é", "a b", "a\n"])
def test_a_job_has_no_folder_under_another_name(job: str) -> None:
    with pytest.raises(InputError, match="not the name of a run or a job"):
        job_folder("run", "jobs", job)
