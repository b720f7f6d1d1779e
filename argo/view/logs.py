"""The lines that a job has printed, and those that it prints from now on."""

import json
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from argo.local import run_folder
from argo.local.log_tail import LogTail
from argo.view.runs import Run, Runs
from argo.view.safe_text import show_controls, strip_colours
from argo.view.sources import Sources
from job.errors import TextgenError, UnknownReferenceError

_READ_SECONDS = 0.2
_IDLE_SECONDS = 1.0  # after which a browser that is gone is noticed
_AT_ONCE = 500  # lines
_LAST_BYTES = 64 << 10

Follow = Callable[[threading.Event], Iterator[str]]


def read_last_lines(runs: Runs, run: Run, job: str, count: int) -> list[str]:
    """The last lines that a job has printed. Raises ClusterError, StoreError."""
    if not run.folder:
        return list(map(_clean, deque(read_log(runs, run, job), maxlen=count)))
    with suppress(FileNotFoundError), (run.folder / "jobs" / job / "log").open("rb") as file:
        start = max(0, file.seek(0, 2) - _LAST_BYTES)
        file.seek(start)
        lines = file.read().decode("utf-8", "replace").splitlines()[bool(start) :]
        return list(map(_clean, lines[-count:]))
    return []


def read_log(runs: Runs, run: Run, job: str) -> Iterator[str]:
    """What the job has printed so far. Raises ClusterError, StoreError."""
    if run.folder:
        yield from LogTail(run.folder, job).read_lines(is_end=True)
    elif runs.connect:
        from argo.cluster.follow_run import get_snapshot
        from argo.cluster.run_logs import read_logs

        api = runs.connect()
        for line in read_logs(api, get_snapshot(api, run.record.name), {job}):
            yield line.text


def follow_log(runs: Runs, run: Run, job: str, stopped: threading.Event) -> Iterator[str]:
    """What the job has printed, and prints until it ends, or `stopped` is set.

    Raises ClusterError, StoreError.
    """
    if run.folder:
        tail = LogTail(run.folder, job)
        while True:
            ended = run_folder.read(run.folder).jobs[job].phase.ended  # first, so that no line is missed
            yield from tail.read_lines(is_end=ended)
            if ended or stopped.wait(_READ_SECONDS):
                return
    elif runs.connect:
        from argo.cluster.run_logs import follow_logs

        for line in follow_logs(runs.connect(), run.record.name, {job}, stopped):
            yield line.text


def send_log(sources: Sources, request: Request) -> Response:
    """The log of a job so far, as text."""
    run, job = _find_job(sources, request)
    lines = (f"{_clean(line)}\n" for line in read_log(sources.runs, run, job))
    return StreamingResponse(lines, media_type="text/plain; charset=utf-8")


def send_followed_log(sources: Sources, request: Request) -> Response:
    """The log of a job as server-sent events: each is a list of lines, its id how many there have been.

    A browser that has lost the connection says how many it has.
    """
    run, job = _find_job(sources, request)
    number = request.headers.get("last-event-id", "")
    done = int(number) if number.isascii() and number.isdigit() else 0
    follow = partial(follow_log, sources.runs, run, job)
    return StreamingResponse(_encode_events(follow, done), media_type="text/event-stream")


def _find_job(sources: Sources, request: Request) -> tuple[Run, str]:
    run, job = sources.runs.read(request.path_params["name"]), request.path_params["job"]
    if job not in run.record.jobs:
        raise UnknownReferenceError(f"{run.record.name}: no job {job!r}")
    return run, job


def _encode_events(follow: Follow, done: int) -> Generator[str, None, None]:
    for batch in _gather(follow, done):
        if isinstance(batch, TextgenError):
            yield f"event: problem\ndata: {json.dumps(show_controls(str(batch)))}\n\n"
        elif batch:
            done += len(batch)
            yield f"id: {done}\ndata: {json.dumps(list(map(_clean, batch)))}\n\n"
        else:
            yield ": nothing new\n\n"
    yield "event: end\ndata: 0\n\n"


def _gather(follow: Follow, done: int) -> Iterator[list[str] | TextgenError]:
    """The lines after the first `done` in lists as they come; an empty one now and then, so that whoever
    waits can stop. That stops the thread that reads them, too."""
    waiting: queue.Queue[str | TextgenError | None] = queue.Queue(maxsize=4 * _AT_ONCE)
    stopped = threading.Event()

    def put(item: str | TextgenError | None) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                waiting.put(item, timeout=_IDLE_SECONDS)
                return

    def read() -> None:
        try:
            for line in islice(follow(stopped), done, None):
                put(line)
                if stopped.is_set():
                    return
        except TextgenError as error:
            put(error)
        put(None)

    threading.Thread(target=read, name="follow log", daemon=True).start()
    try:
        items: list[str | TextgenError | None] = []
        while None not in items:
            items = []
            with suppress(queue.Empty):
                items.append(waiting.get(timeout=_IDLE_SECONDS))
                while len(items) < _AT_ONCE:
                    items.append(waiting.get_nowait())
            yield [item for item in items if isinstance(item, str)]
            yield from (item for item in items if isinstance(item, TextgenError))
    finally:
        stopped.set()


def _clean(line: str) -> str:
    return show_controls(strip_colours(line))
