"""What networks and servers do to requests must not lose, double or tear a version."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from job.datasets import DatasetRef, Datasets, Version
from job.errors import StoreError
from job.storage.store import UnavailableError
from tests.storage.proxy import CONDITIONAL_FAULTS, NONE, Fault, Proxy, Request, first
from tests.storage.servers import on_every_server

Make = Callable[..., Path]


pytestmark = pytest.mark.usefixtures("no_waiting")


@on_every_server
@pytest.mark.parametrize("times", [1, 3])
def test_the_log_record_is_stored_once_whatever_happens_to_it(
    behind: str, proxy: Proxy, demo: DatasetRef, make: Make, times: int
) -> None:
    datasets = Datasets.at(behind)
    committed: list[Version] = []
    for case, fault in CONDITIONAL_FAULTS.items():
        proxy.fault = first(lambda request: request.conditional, fault, times)
        committed.insert(0, datasets.commit_version(demo, make(), lineage={}))
        assert datasets.versions(demo) == committed, case


ANY_FAULTS = {
    "answers are lost": Fault(drop=True),
    "requests fail with 500": Fault(answer=500),
    "requests fail with 503": Fault(answer=503),
    "answers are cut": Fault(cut=True),
    "requests are doubled": Fault(twice=True),
}


@on_every_server
@pytest.mark.parametrize("case", ANY_FAULTS)
def test_a_version_comes_whole_through_a_network_where(
    behind: str, proxy: Proxy, demo: DatasetRef, make: Make, tmp_path: Path, case: str
) -> None:
    """Every seventh request is hit."""
    datasets = Datasets.at(behind)
    files = {f"{n}": f"{n}" * 50 for n in range(4)}
    source = make({**files, "large": b"x" * ((8 << 20) + 1)})
    proxy.fault = lambda request: ANY_FAULTS[case] if request.number % 7 == 0 else NONE
    version = None
    for _ in range(5):  # people try again
        try:
            version = datasets.commit_version(demo, source, lineage={})
            datasets.fetch(version, tmp_path / "out")
            break
        except StoreError:
            continue
    proxy.fault = lambda _: NONE
    assert version
    assert datasets.resolve(demo) == version
    assert {path.name: path.stat().st_size for path in (tmp_path / "out").iterdir()} == {
        path.name: path.stat().st_size for path in source.iterdir()
    }


@on_every_server
def test_a_race_that_is_lost_is_seen(
    behind: str, s3: str, proxy: Proxy, demo: DatasetRef, make: Make
) -> None:
    other = Datasets.at(s3)
    committed: list[Version] = []

    def overtake(request: Request) -> Fault:
        if request.conditional and not committed:
            committed.append(other.commit_version(demo, make(), lineage={}))
        return NONE

    proxy.fault = overtake
    version = Datasets.at(behind).commit_version(demo, make(), lineage={})
    assert other.versions(demo) == [version, *committed]


def test_an_answer_that_comes_too_late_counts_as_lost(
    behind: str, proxy: Proxy, demo: DatasetRef, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("job.storage.s3.clients._READ", 1)
    asked_again = threading.Event()

    def wait() -> None:
        asked_again.wait(60)

    def late(request: Request) -> Fault:
        if request.conditional:
            return Fault(after=wait)
        if "/log/" in request.path and any(seen.conditional for seen in proxy.seen):
            asked_again.set()
        return NONE

    proxy.fault = late
    datasets = Datasets.at(behind)
    version = datasets.commit_version(demo, make(), lineage={})
    assert asked_again.is_set()
    assert datasets.versions(demo) == [version]


def test_a_store_that_never_decides_is_reported(
    behind: str, proxy: Proxy, demo: DatasetRef, make: Make
) -> None:
    proxy.fault = lambda request: Fault(answer=503) if request.conditional else NONE
    with pytest.raises(UnavailableError, match=r"log/9{13}8.json could not be put in \d attempts"):
        Datasets.at(behind).commit_version(demo, make(), lineage={})
