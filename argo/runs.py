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
class JobRecord:
    """A job of a run. `outputs` holds the version of each dataset and the text of each string."""

    needs: tuple[str, ...] = ()
    phase: Phase = Phase.PENDING
    started: datetime | None = None
    finished: datetime | None = None
    message: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run. `file` is the workflow's path as the user wrote it; `source` describes the code that was run."""

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

    def to_json(self) -> dict[str, Any]:
        """As JSON types; times are ISO 8601 in UTC."""
        data = asdict(self)
        for record in (data, *data["jobs"].values()):
            for key in ("started", "finished"):
                record[key] = record[key] and record[key].isoformat(timespec="milliseconds")
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RunRecord":
        """Read what `to_json` returned. Raises KeyError, TypeError or ValueError for anything else."""
        jobs = {
            name: JobRecord(**{**_times(job), "needs": tuple(job["needs"])})
            for name, job in data["jobs"].items()
        }
        return cls(**{**_times(data), "jobs": jobs})


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def _times(data: Mapping[str, Any]) -> dict[str, Any]:
    times = {key: data[key] and datetime.fromisoformat(data[key]) for key in ("started", "finished")}
    return {**data, **times, "phase": Phase(data["phase"])}
