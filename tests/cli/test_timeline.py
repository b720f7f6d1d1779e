"""The bars of `textgen get`: when each job waited, and what it did then."""

import io
import json
import sys
from datetime import UTC, datetime, timedelta

import click
import pytest

from argo.cli.timeline import format_timeline
from argo.runs import JobRecord, Phase, RunRecord, StepRecord

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def job(phase: Phase, *steps: tuple[str, float, float | None], needs: tuple[str, ...] = ()) -> JobRecord:
    records = tuple(
        StepRecord(name, at(start), None if end is None else at(end)) for name, start, end in steps
    )
    ended = steps and phase.ended
    return JobRecord(
        needs,
        phase,
        records[0].started if steps else None,
        records[-1].finished if ended else None,
        steps=records,
    )


def run(jobs: dict[str, JobRecord], finished: float | None = 20) -> RunRecord:
    end = None if finished is None else at(finished)
    return RunRecord("run", "", "", "host", "", {}, START, jobs, Phase.SUCCEEDED, end)


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "31")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "utf-8"))


JOBS = {
    "clone": job(Phase.SUCCEEDED, ("checkout", 0, 4)),
    "generate": job(Phase.SUCCEEDED, ("inputs", 8, 9), ("main", 9, 18), ("commit", 18, 20), needs=("clone",)),
}


def test_each_step_is_as_long_as_it_took() -> None:
    assert click.unstyle(format_timeline(run(JOBS))).splitlines() == [
        "           0s               20s",
        "clone      ▒▒▒▒",
        "generate       ░░░░▒█████████▓▓",
        "           ░ waiting  ▒ inputs  ▒ checkout  █ main  ▓ commit",
    ]


def test_an_encoding_without_blocks_gets_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    lines = click.unstyle(format_timeline(run(JOBS))).splitlines()
    assert lines[2] == "generate       ....-#########=="


@pytest.mark.parametrize(
    ("steps", "bar"),
    [
        ((("inputs", 0, 0.01), ("main", 10, 19.99), ("commit", 19.99, 20)), f"▒{' ' * 12}{'█' * 13}▓"),
        ((("inputs", 12, 12.01), ("main", 12.01, 12.02), ("commit", 12.02, 12.03)), f"{'░' * 16}▒█▓"),
        ((("inputs", 19.97, 19.98), ("main", 19.98, 19.99), ("commit", 19.99, 20)), f"{'░' * 24}▒█▓"),
    ],
    ids=["apart", "in one column", "at the end"],
)
def test_a_step_too_short_to_see_takes_a_column(
    steps: tuple[tuple[str, float, float], ...], bar: str
) -> None:
    lines = click.unstyle(format_timeline(run({"a": job(Phase.SUCCEEDED, *steps)}))).splitlines()
    assert lines[1] == f"a   {bar}"


def test_a_job_with_more_steps_than_columns_has_a_bar() -> None:
    steps = [("main", second / 2, second / 2) for second in range(40)]
    lines = click.unstyle(format_timeline(run({"a": job(Phase.SUCCEEDED, *steps)}))).splitlines()
    assert lines[1] == f"a   {'█' * 27}"


@pytest.mark.parametrize(
    ("record", "bar"),
    [
        (job(Phase.OMITTED), ""),
        (JobRecord(phase=Phase.SUCCEEDED, started=at(0), finished=at(20)), "█" * 20),
        (job(Phase.FAILED, ("main", -50, -40)), "█"),  # before a retry
        (job(Phase.SUCCEEDED, ("other", 0, 20)), "█" * 20),
    ],
    ids=["left out", "without steps", "before", "another container"],
)
def test_a_job_with_other_steps_or_none_has_a_bar_if_it_ran(record: JobRecord, bar: str) -> None:
    other = job(Phase.SUCCEEDED, ("main", 0, 20))
    lines = click.unstyle(format_timeline(run({"job-name": record, "b": other}))).splitlines()
    assert lines[1] == f"job-name   {bar}".rstrip()


def test_a_run_without_a_job_that_began_has_no_timeline() -> None:
    assert format_timeline(run({"a": job(Phase.OMITTED)})) == ""


def test_a_run_of_no_time_has_bars() -> None:
    assert "█" in format_timeline(run({"a": job(Phase.SUCCEEDED, ("main", 0, 0))}, finished=0))


def test_steps_are_in_the_record() -> None:
    record = run({**JOBS, "now": job(Phase.RUNNING, ("main", 3, None))})
    data = json.loads(json.dumps(record.to_json()))
    assert data["jobs"]["now"]["steps"] == [
        {"name": "main", "started": "2026-01-01T00:00:03.000+00:00", "finished": None}
    ]
    assert RunRecord.from_json(data) == record


@pytest.mark.parametrize(
    "steps", ["x", [1], [{"name": 1, "started": START.isoformat(), "finished": None}], [{"name": "main"}]]
)
def test_steps_of_another_form_are_refused(steps: object) -> None:
    data = json.loads(json.dumps(run(JOBS).to_json()))
    data["jobs"]["clone"]["steps"] = steps
    with pytest.raises((KeyError, TypeError, ValueError)):
        RunRecord.from_json(data)
