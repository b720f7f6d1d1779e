"""Logs that are followed."""

import threading
from functools import partial

from argo.local import run_folder
from argo.runs import JobRecord, Phase, RunRecord, now
from argo.view import logs
from argo.view.runs import Runs
from tests.cluster.kubernetes import until
from tests.view.site import Site


def test_a_log_that_nobody_reads_any_more_is_not_followed(project: Site) -> None:
    jobs = {"say": JobRecord((), Phase.RUNNING, now())}
    record = RunRecord("", "say", "say.yaml", "host", "", {}, now(), jobs, Phase.RUNNING)
    folder = project.add_run("running", record, {"say": "hello\n"})
    runs = Runs(project.runs)
    before = set(threading.enumerate())

    def is_followed() -> bool:
        return any(thread.name == "follow log" for thread in set(threading.enumerate()) - before)

    with run_folder.hold_lock(folder):
        follow = partial(logs.follow_log, runs, runs.read("running"), "say")
        events = logs._encode_events(follow, 0)
        said = next(event for event in events if event != ": nothing new\n\n")
        assert said == 'id: 1\ndata: ["hello"]\n\n'
        assert is_followed()
        events.close()  # the server does that when the browser is gone
        until(lambda: not is_followed(), "the end of the thread", 60)
