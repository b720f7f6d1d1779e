"""A watch shows what the API server holds, also after connections that break."""

import json
import threading
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any, cast

import pytest

from argo.cluster import infinite_watch
from argo.cluster.api import Api, ApiError, UnreachableError
from tests.cluster.fake_api import FakeApi


def thing(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"uid": name, "name": name, "resourceVersion": str(version)}}


def event(kind: str, object_: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": object_}).encode() + b"\n"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)


def seen(lists: list[Any], streams: list[Any], count: int) -> tuple[list[list[str]], list[str]]:
    """The names in the first `count` snapshots, and the versions that the watches began at."""
    listed, streamed, versions = iter(lists), iter(streams), []

    def stream(_: str, query: dict[str, object]) -> Any:
        versions.append(str(query["resourceVersion"]))
        return next(streamed)

    api = FakeApi(lambda *_: next(listed), stream)
    snapshots = islice(infinite_watch.watch_objects(cast(Api, api), "things"), count)
    return [sorted(snapshot) for snapshot in snapshots], versions


def listing(version: int, *names: str) -> dict[str, Any]:
    return {
        "metadata": {"resourceVersion": str(version)},
        "items": [thing(name, version) for name in names],
    }


def test_events_change_the_objects() -> None:
    events = event("ADDED", thing("b", 2)) + event("DELETED", thing("a", 3))
    # the pieces of an answer end anywhere
    assert seen([listing(1, "a")], [[events[:50], events[50:]]], 3)[0] == [["a"], ["a", "b"], ["b"]]


def test_a_watch_resumes_after_a_dropped_connection() -> None:
    dropped = [event("ADDED", thing("b", 5)), event("BOOKMARK", thing("", 9)), UnreachableError("cut")]
    snapshots, versions = seen(
        [listing(1, "a")], [dropped, UnreachableError("down"), [event("ADDED", thing("c", 10))]], 3
    )
    assert snapshots == [["a"], ["a", "b"], ["a", "b", "c"]]
    assert versions == ["1", "9", "9"]


@pytest.mark.parametrize(
    "gone",
    [
        ApiError("too old", 410, {}),
        [event("ERROR", {"code": 410, "message": "too old resource version"})],
    ],
)
def test_after_410_everything_is_listed_again(gone: Any) -> None:
    lists = [listing(1, "a", "b"), listing(20, "b", "c")]
    snapshots, versions = seen(lists, [gone, [event("ADDED", thing("d", 21))]], 3)
    assert snapshots == [["a", "b"], ["b", "c"], ["b", "c", "d"]]
    assert versions == ["1", "20"]


def test_a_refusal_is_not_repeated() -> None:
    with pytest.raises(ApiError, match="forbidden"):
        seen([ApiError("forbidden", 403, {})], [], 1)


def test_a_refusal_after_a_restart_of_the_api_server_is_waited_for() -> None:
    refusals = [ApiError("forbidden", 403, {}), ApiError("who are you", 401, {})]
    streams = [UnreachableError("down"), *refusals, [event("ADDED", thing("b", 2))]]
    assert seen([listing(1, "a")], streams, 2)[0] == [["a"], ["a", "b"]]


def test_a_revoked_right_is_an_error_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    clock: Iterator[int] = iter(range(0, 10_000, 25))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with pytest.raises(ApiError, match="forbidden"):
        seen([listing(1, "a")], [ApiError("forbidden", 403, {})] * 5, 2)


def test_ten_minutes_without_an_answer_end_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    clock: Iterator[int] = iter(range(0, 10_000, 60))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with pytest.raises(UnreachableError, match="down"):
        seen([UnreachableError("down")] * 20, [], 1)


def test_a_watch_that_is_stopped_ends_with_what_comes_next() -> None:
    stopped = threading.Event()

    def stream(*_: object) -> Any:
        yield event("ADDED", thing("b", 2))
        stopped.set()
        yield event("BOOKMARK", thing("", 3))
        raise AssertionError("read on")

    api = cast(Api, FakeApi(lambda *_: listing(1, "a"), stream))
    snapshots = infinite_watch.watch_objects(api, "things", stopped)
    assert [sorted(snapshot) for snapshot in snapshots] == [["a"], ["a", "b"]]
