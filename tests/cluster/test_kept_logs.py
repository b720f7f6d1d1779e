"""The logs of pods that are gone are whole, and an error of a reader is not lost."""

import queue
from pathlib import Path
from typing import Any, cast

import pytest

from argo.cluster import archived_logs, run_logs, stored_logs
from argo.cluster.api import Api
from argo.cluster.container_logs import ContainerLogReader
from argo.cluster.objects import Workflow, WorkflowNode
from job.datasets import Datasets
from job.pod.logs import list_logs, log_prefix

NODE = cast(
    WorkflowNode,
    {
        "startedAt": "2026-11-22T18:00:00Z",
        "outputs": {"artifacts": [{"name": "main-logs", "s3": {"bucket": "logs", "key": "main.log"}}]},
    },
)
KEPT = stored_logs.KeptLog("job", "node", "2026-11-22T18:00:00Z")
EXECUTOR = b'time=2026-11-22T18:00:02.000Z level=INFO msg="sub-process exited" argo=true error=<nil>'


def test_an_archived_log_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"50%\r100%\x0c\nlast" + EXECUTOR
    monkeypatch.setattr(archived_logs, "_read_object", lambda *_: body)
    lines = archived_logs.read_archived_log(cast(Api, None), cast(Workflow, {}), "job", NODE)
    assert [line.text for line in lines] == ["50%\r100%\x0c", "last"]


def test_a_stored_log_is_whole(tmp_path: Path) -> None:
    datasets = Datasets.at(tmp_path.as_uri())
    prefix = log_prefix("run", "job", "node.uid", "main")
    body = (
        "2026-11-22T18:00:00.000000000Z 日本\nwords\n2026-11-22T18:00:01.000000000Z last".encode() + EXECUTOR
    )
    datasets.store.put(f"{prefix}000000", body[:33])
    datasets.store.put(f"{prefix}000001", body[33:])
    (log,) = list_logs(datasets, "run", "job")
    assert [line.text for line in stored_logs._read_log(datasets, KEPT, log)] == ["日本", "words", "last"]


def test_an_error_that_nobody_expects_does_not_end_a_log_silently() -> None:
    class Reader:
        def read_lines(self, *, follow: bool) -> Any:
            raise ZeroDivisionError

    lines: run_logs._Lines = queue.SimpleQueue()
    run_logs._put_lines(cast(ContainerLogReader, Reader()), lines)
    with pytest.raises(ZeroDivisionError):
        list(run_logs._take_sorted(lines))
