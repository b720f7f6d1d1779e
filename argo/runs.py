"""The record of a run: its phase, its jobs and their outputs. Stored as one JSON file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """Argo's words. Failed: the job itself failed; Error: textgen or the store did."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ERROR = "Error"
    OMITTED = "Omitted"

    @property
    def ended(self) -> bool:
        return self not in {Phase.PENDING, Phase.RUNNING}


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A part of a job's time: `inputs`, `checkout`, `plan`, `main` or `commit`."""

    name: str
    started: datetime
    finished: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a generation in shards has come. `texts` is 0 until it is known how many there will be.

    `seconds_left` and `tokens_per_second`, of all shards that are at work, are None if they are not known.
    """

    done: int
    texts: int
    done_shards: int
    shards: int
    tokens_per_second: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job of a run. `outputs` holds the version of each dataset and the text of each string."""

    needs: tuple[str, ...] = ()
    phase: Phase = Phase.PENDING
    started: datetime | None = None
    finished: datetime | None = None
    message: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[StepRecord, ...] = ()
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run. `file` is the workflow's path as the user wrote it; `source` describes the code that was run,
    and `branch` is where it is from, if that is known."""

    name: str
    workflow: str
    file: str
    runtime: str
    source: str
    parameters: Mapping[str, str]
    started: datetime
    jobs: Mapping[str, JobRecord]
    phase: Phase = Phase.RUNNING
    finished: datetime | None = None
    message: str = ""
    branch: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON types; times are ISO 8601 in UTC."""
        data = asdict(self)
        jobs = list(data["jobs"].values())
        for record in (data, *jobs, *(step for job in jobs for step in job["steps"])):
            for key in ("started", "finished"):
                record[key] = record[key] and record[key].isoformat(timespec="milliseconds")
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RunRecord":
        """Read what `to_json` returned. Raises KeyError, TypeError or ValueError for anything else."""
        jobs = {name: _read_job(job) for name, job in _check(data["jobs"], dict, dict).items()}
        record = cls(**{**_read_fields(data), "jobs": jobs})
        _check(record.parameters, dict, str)
        _check(record.started, datetime)
        return record


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def _read_job(data: Mapping[str, Any]) -> JobRecord:
    steps = _check(data.get("steps", []), list, dict)
    return JobRecord(
        **{
            **_read_fields({key: value for key, value in data.items() if key not in {"steps", "progress"}}),
            "needs": tuple(_check(data["needs"], list, str)),
            "steps": tuple(map(_read_step, steps)),
            "progress": _read_progress(data.get("progress")),
        }
    )


def _read_progress(data: Mapping[str, Any] | None) -> Progress | None:
    if data is None:
        return None
    progress = Progress(**_check(data, dict))
    _check([progress.done, progress.texts, progress.done_shards, progress.shards], list, int)
    _check(
        [value for value in (progress.tokens_per_second, progress.seconds_left) if value is not None],
        list,
        float,
    )
    return progress


def _read_step(data: Mapping[str, Any]) -> StepRecord:
    times = {key: _read_time(data[key]) for key in ("started", "finished")}
    step = StepRecord(**{**data, **times})
    _check(step.name, str)
    _check(step.started, datetime)
    return step


def _read_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with their types; texts, and what `from_json` reads, as they are."""
    times = {key: _read_time(data[key]) for key in ("started", "finished")}
    for key in data.keys() - {*times, "jobs", "needs", "parameters", "outputs"}:
        _check(data[key], str)
    _check(data.get("outputs", {}), dict, str)
    return {**data, **times, "phase": Phase(data["phase"])}


def _read_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    time = datetime.fromisoformat(text)
    if not time.tzinfo:
        raise ValueError(text)
    return time


def _check(value: Any, kind: type, values: type | None = None) -> Any:
    """`value`, which must be of `kind`, and what is in it of the type `values`."""
    inner = value.values() if isinstance(value, dict) else value
    if not isinstance(value, kind) or (values and not all(isinstance(each, values) for each in inner)):
        raise TypeError(value)
    return value
