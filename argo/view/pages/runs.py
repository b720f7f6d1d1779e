"""The list of runs, and one run."""

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.requests import Request

from argo.runs import Phase, now
from argo.timeline import list_steps
from argo.view.graph import draw_graph, draw_timeline
from argo.view.logs import read_last_lines
from argo.view.page import Page, read_integer
from argo.view.paging import count_pages, find_page
from argo.view.runs import Run, list_versions
from argo.view.sources import Sources
from job.errors import TextgenError

_RUNS = 50  # on a page
_REFRESH = 2.0  # seconds, while something runs
_LAST_LINES = 15  # of a failed job's log
_LOGS = 3  # of failed jobs: what failed first mostly says why


@dataclass(frozen=True, slots=True)
class Filter:
    """Which runs: those with `text` anywhere, of one branch, and of one status."""

    text: str
    branch: str
    status: str

    def takes(self, run: Run) -> bool:
        record = run.record
        parameters = [f"{name}={value}" for name, value in record.parameters.items()]
        texts = [record.name, record.file, record.source, record.branch, record.message, run.url]
        searched = "\n".join([*texts, *parameters, *run.versions]).casefold()
        is_found = all(word in searched for word in self.text.casefold().split())
        return is_found and self.branch in ("", record.branch) and self.status in ("", record.phase)


def list_page(sources: Sources, request: Request) -> Page:
    """Runs, newest first."""
    query = request.query_params
    which = Filter(query.get("q", ""), query.get("branch", ""), query.get("status", ""))
    runs, problems = sources.runs.read_all()
    matching = [run for run in runs if which.takes(run)]
    page = find_page(read_integer(query.get("page")), len(matching), _RUNS)
    is_live = sources.runs.is_waiting or any(not run.record.phase.ended for run in runs)
    values = {
        "runs": [_summarize(run) for run in matching[(page - 1) * _RUNS : page * _RUNS]],
        "matching": len(matching),
        "total": len(runs),
        "page": page,
        "pages": count_pages(len(matching), _RUNS),
        "which": which,
        "branches": sorted({run.record.branch for run in runs if run.record.branch}, key=str.casefold),
        "statuses": [str(phase) for phase in Phase if any(run.record.phase is phase for run in runs)],
        "problem_lines": problems,
    }
    return Page("runs.html", "Runs", values, _REFRESH if is_live else None)


def _summarize(run: Run) -> dict[str, object]:
    """What the list shows of a run."""
    return {"record": run.record, "url": run.url, "parameters": run.parameters, "versions": run.versions}


def run_page(sources: Sources, request: Request) -> Page:
    """A run: what failed, its jobs and when they ran, what they made, the file."""
    run = sources.runs.read(request.path_params["name"])
    record = run.record
    steps = list_steps(record)
    failed = sorted(
        (name for name, job in record.jobs.items() if job.phase in (Phase.FAILED, Phase.ERROR)),
        key=lambda name: record.jobs[name].finished or now(),
    )
    values = {
        "run": record,
        "url_of_code": run.url,
        "parameters": record.parameters,
        "changed": run.parameters,
        "inputs": run.inputs,
        "versions": {name: list_versions(job) for name, job in record.jobs.items()},
        "failed": {
            name: _read_last_lines(sources, run, name) if at < _LOGS else [] for at, name in enumerate(failed)
        },
        "graph": draw_graph(record),
        "bars": draw_timeline(record, steps, record.finished or now()),
        "lines": run.text.splitlines() if run.text else [],
        "marked": _find_lines(run, failed),
    }
    return Page("run.html", record.name, values, None if record.phase.ended else _REFRESH)


def _read_last_lines(sources: Sources, run: Run, job: str) -> list[str]:
    try:
        return read_last_lines(sources.runs, run, job, _LAST_LINES)
    except TextgenError as error:
        return [str(error)]


def _find_lines(run: Run, jobs: Iterable[str]) -> list[int]:
    """The lines of the file where these jobs begin, from 1."""
    workflow = run.workflow
    return [workflow.jobs[name].at.line for name in jobs if name in workflow.jobs] if workflow else []
