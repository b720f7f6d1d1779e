"""Each line of a container's log comes once, however often the connection to it breaks."""

import time
from itertools import count
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argo.cluster.api import Api, ApiError, UnreachableError
from argo.cluster.container_logs import ContainerLogReader
from argo.cluster.log_lines import parse_timestamp
from argo.cluster.objects import Pod
from job import log_lines
from tests.cluster.fake_api import FakeApi

POD: Pod = {
    "metadata": {"name": "p", "uid": "1", "creationTimestamp": "", "annotations": {"textgen/job": "job"}},
    "spec": {"containers": [{"name": "main"}]},
}


def ended(uid: str = "1") -> dict[str, Any]:
    return {"metadata": {"name": "p", "uid": uid}, "status": {"phase": "Succeeded"}}


RUNNING = {"metadata": {"name": "p", "uid": "1"}, "status": {"phase": "Running"}}


class Kubelet:
    """Serves the log of a container, cuts each answer after so many bytes, and ends it at last."""

    def __init__(self, stamps: list[str], cuts: list[int], is_ended: bool) -> None:
        self.lines = [f"{stamp} line {number}\n" for number, stamp in enumerate(stamps)]
        if self.lines and not is_ended:
            self.lines[-1] = self.lines[-1].rstrip()
        self.cuts = cuts

    def pod(self, *_: object) -> Any:
        return RUNNING if self.cuts else ended()

    def log(self, _: str, query: dict[str, object]) -> Any:
        since = query["sinceTime"]
        # as the kubelet does: the seconds of the time, no more
        start = parse_timestamp(str(since))[0] if since else None
        lines = [line for line in self.lines if start is None or parse_timestamp(line.split()[0])[0] >= start]
        body = "".join(lines).encode()
        if not self.cuts:
            return [body]
        cut = self.cuts.pop(0)
        return [body[: cut // 2], body[cut // 2 : cut], UnreachableError("cut")]


@given(
    st.lists(st.integers(0, 40), max_size=12).map(sorted),
    st.lists(st.integers(0, 600), max_size=5),
    st.booleans(),
    st.sampled_from([34, 1 << 20]),
)
def test_each_line_comes_once(moments: list[int], cuts: list[int], is_ended: bool, longest: int) -> None:
    """The last line may lack its end, and a line may be so long that it comes in parts."""
    stamps = [f"2026-11-22T18:00:{each // 10:02}.{each % 10}00000000Z" for each in moments]
    kubelet = Kubelet(stamps, list(cuts), is_ended)
    reader = ContainerLogReader(cast(Api, FakeApi(kubelet.pod, kubelet.log)), POD, "main")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", lambda _: None)
        patch.setattr(log_lines, "LONGEST", longest)
        found = "".join(line.text for line in reader.read_lines(follow=True))
    assert found == "".join(f"line {number}" for number in range(len(stamps)))


def test_what_was_read_before_it_is_followed_comes_once() -> None:
    lines = [b"2026-11-22T18:00:00.000000000Z one\n", b"2026-11-22T18:00:01.000000000Z last"]
    state = {"metadata": POD["metadata"], "status": {"phase": "Running"}}
    reader = ContainerLogReader(cast(Api, FakeApi(lambda *_: ended(), lambda *_: lines)), POD, "main")
    reader.pod = cast(Pod, state)
    assert [line.text for line in reader.read_lines(follow=False)] == ["one"]
    assert [line.text for line in reader.read_lines(follow=True)] == ["last"]


@pytest.mark.parametrize("follow", [True, False])
def test_a_last_line_without_an_end_is_shown(follow: bool) -> None:
    """As `printf` leaves it; read when the container has ended."""
    pod = cast(Pod, {**POD, "status": {"phase": "Succeeded"}})
    body = [b'2026-11-22T18:00:00.000000000Z {"score": ', b"0.93}"]
    reader = ContainerLogReader(cast(Api, FakeApi(lambda *_: ended(), lambda *_: body)), pod, "main")
    assert [line.text for line in reader.read_lines(follow=follow)] == ['{"score": 0.93}']


def test_the_kubelets_own_words_come_once_and_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    words, one, two = (
        b"failed to watch\n",
        b"2026-11-22T18:00:00.000000000Z one\n",
        b"2026-11-22T18:00:01Z two\n",
    )
    answers = [[words], [words, one], [words, one, words], [words, one, two, b"end"]]
    pods = iter([RUNNING] * 3 + [ended()])
    api = FakeApi(lambda *_: next(pods), lambda *_: answers.pop(0))
    found = ContainerLogReader(cast(Api, api), POD, "main").read_lines(follow=True)
    assert [line.text for line in found] == ["failed to watch", "one", "failed to watch", "two", "end"]


def test_a_log_ends_with_its_pod_even_if_another_takes_its_name() -> None:
    api = FakeApi(lambda *_: ended("2"), lambda *_: [b"2026-11-22T18:00:00.000000000Z other\n"])
    assert list(ContainerLogReader(cast(Api, api), POD, "main").read_lines(follow=True)) == []
    gone = FakeApi(lambda *_: ApiError("gone", 404, {}), lambda *_: [])
    assert list(ContainerLogReader(cast(Api, gone), POD, "main").read_lines(follow=True)) == []


def test_a_silent_job_is_followed_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda _: None)

    def silence() -> Any:
        clock[0] += 120
        yield UnreachableError("the cluster does not answer")

    def log(*_: object) -> Any:
        if clock[0] < 1200:
            return silence()
        return [b"2026-11-22T18:00:00.000000000Z at last\n"]

    api = FakeApi(lambda *_: RUNNING if clock[0] < 1200 else ended(), log)
    assert [
        line.text for line in ContainerLogReader(cast(Api, api), POD, "main").read_lines(follow=True)
    ] == ["at last"]


def test_ten_minutes_without_an_answer_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count(0, 120)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    api = FakeApi(lambda *_: RUNNING, lambda *_: UnreachableError("down"))
    with pytest.raises(UnreachableError, match="down"):
        list(ContainerLogReader(cast(Api, api), POD, "main").read_lines(follow=True))


def test_a_missing_right_to_read_logs_is_an_error() -> None:
    api = FakeApi(lambda *_: ended(), lambda *_: ApiError("you may not", 403, {}))
    with pytest.raises(ApiError, match="you may not"):
        list(ContainerLogReader(cast(Api, api), POD, "main").read_lines(follow=True))


def test_lines_of_the_executor_are_left_out() -> None:
    body = (
        b'2026-11-22T18:00:00.000000001Z time=2026-11-22T18:00:00Z level=INFO msg="x" argo=true\n'
        b"2026-11-22T18:00:00.000000002Z time=mine level=INFO msg=argo\n"
    )
    api = FakeApi(lambda *_: ended(), lambda *_: [body])
    found = ContainerLogReader(cast(Api, api), POD, "main").read_lines(follow=False)
    assert [line.text for line in found] == ["time=mine level=INFO msg=argo"]


def test_a_log_that_is_not_wanted_any_more_ends_with_its_connection() -> None:
    reader = ContainerLogReader(cast(Api, FakeApi(lambda *_: RUNNING, lambda *_: [])), POD, "main")
    lines = reader.read_lines(follow=True)
    reader.stopped.set()
    assert list(lines) == []
