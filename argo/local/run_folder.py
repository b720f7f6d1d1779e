"""The folder `.textgen` of a project: its runs, which of them are alive, and its caches.

A run's own process holds a lock on the run's folder for as long as it lives, so a run whose process
was killed is known by its free lock, even if another process has its id by then.
"""

import glob
import json
import os
import re
import secrets
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from argo.repository import is_tracked
from argo.runs import JobRecord, Phase, RunRecord
from job.errors import InputError, TextgenError, UnknownReferenceError
from job.files import locked, write_atomically
from job.project import default_store_url, find_project_root
from job.text import did_you_mean

# What Kubernetes' generateName draws from: no vowels, no look-alikes.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_FILE = "run.json"
_STOP = "stop"
# What may be no link: all that textgen makes or removes, and gives to jobs.
_FOLDERS = (
    "*",
    "cache/*",
    "datasets/*",
    "runs/*",
    "runs/*/*",
    "runs/*/volumes/*",
    "runs/*/jobs/*",
    "runs/*/jobs/*/*",
)


@dataclass(frozen=True, slots=True)
class Project:
    """A repository, or any folder, that workflows run in."""

    root: Path

    @classmethod
    def find(cls, start: Path) -> "Project":
        """The nearest folder upwards with `.textgen` or `.git` in it; `start` if there is none.

        Raises InputError if somebody else made its `.textgen`, as far as that shows.
        """
        project = cls(find_project_root(start))
        project._check()
        return project

    def _check(self) -> None:
        home = self.home
        if is_tracked(home):
            raise InputError(
                f"{home}: git tracks it, so that somebody else may have made it; "
                f"run: git rm -r --force {shlex.quote(str(home))}"
            )
        if not os.path.lexists(home):
            return
        if home.is_symlink():
            raise InputError(f"{home}: it is a link, and textgen follows none there; delete it")
        users = {str(os.geteuid()), os.environ.get("SUDO_UID") if os.geteuid() == 0 else None}
        if str(home.stat().st_uid) not in users:
            raise InputError(f"{home}: it is another user's; delete it, or run textgen as that user")
        for pattern in _FOLDERS:
            # pathlib's fails for a folder that is removed meanwhile
            for name in glob.iglob(pattern, root_dir=home, include_hidden=True):  # noqa: PTH207
                path = home / name
                if path.is_symlink():
                    raise InputError(f"{path}: it is a link, and textgen follows none there; delete it")

    @property
    def home(self) -> Path:
        return self.root / ".textgen"

    @property
    def runs(self) -> Path:
        """One folder a run: its run.json, and the log of each job."""
        return self.home / "runs"

    @property
    def storage(self) -> Path:
        """What jobs find at /storage: files that stay from run to run."""
        return self.home / "storage"

    @property
    def cache(self) -> Path:
        """Models that jobs have downloaded, and dataset versions that jobs have read."""
        return self.home / "cache"

    @property
    def store_url(self) -> str:
        """The URL of the dataset store."""
        return default_store_url(self.root)

    def make_folders(self) -> None:
        """Make the folders, ignored by git and closed to other users, whom a job may leave a program."""
        for folder in (self.runs, self.storage, self.cache):
            folder.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)
        with locked(self.home):  # another run may begin now
            write_atomically(self.home / ".gitignore", [b"*\n"])


class Run:
    """A run of this process: its folder, and its record, written at each change."""

    def __init__(self, folder: Path, record: RunRecord) -> None:
        self.folder = folder
        self.record = record
        self.change()

    def job_folder(self, job: str) -> Path:
        return self.folder / "jobs" / job

    def change(self, **changes: Any) -> RunRecord:
        self.record = replace(self.record, **changes)
        text = json.dumps(self.record.to_json(), indent=1, ensure_ascii=False) + "\n"
        write_atomically(self.folder / _FILE, [text.encode()])
        return self.record

    def change_job(self, name: str, **changes: Any) -> JobRecord:
        job = replace(self.record.jobs[name], **changes)
        self.change(jobs={**self.record.jobs, name: job})
        return job


def make_run_folder(runs: Path, workflow: str) -> Path:
    """Make the folder of a new run; its name is the run's."""
    stem = re.sub(r"[^a-z0-9]+", "-", workflow.lower())[:57].strip("-") or "run"
    while True:
        folder = runs / f"{stem}-{''.join(secrets.choice(_ALPHABET) for _ in range(5))}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder


@contextmanager
def hold_lock(folder: Path) -> Iterator[None]:
    """Hold the run's lock; the kernel releases it when this process ends, however it ends."""
    with locked(folder):
        yield


def load(folder: Path) -> RunRecord:
    """A run's record as it was written last.

    Raises UnknownReferenceError if there is no such run, and TextgenError if its file is damaged.
    """
    try:
        return RunRecord.from_json(json.loads((folder / _FILE).read_text("utf-8")))
    except FileNotFoundError as error:
        raise UnknownReferenceError(f"{folder.name}: no such run") from error
    except OSError as error:
        raise TextgenError(f"{folder / _FILE}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TextgenError(f"{folder / _FILE}: damaged; delete the folder {folder}") from error


def read(folder: Path) -> RunRecord:
    """A run's record. If its process has died, the run is Failed, and so are the jobs that it was running.

    Raises as `load` does.
    """
    alive = is_alive(folder)  # asked first: a run that ends in between is then read as ended
    record = load(folder)
    if record.phase.ended or alive:
        return record
    message = "interrupted: its process is gone"
    jobs = {
        name: job
        if job.phase.ended
        else replace(
            job,
            phase=Phase.FAILED if job.phase is Phase.RUNNING else Phase.OMITTED,
            message=message if job.phase is Phase.RUNNING else "",
        )
        for name, job in record.jobs.items()
    }
    return replace(record, phase=Phase.FAILED, message=message, jobs=jobs)


def find(runs: Path, name: str) -> Path:
    """The folder of the run `name`. Raises UnknownReferenceError, naming the nearest."""
    folders = {folder.name: folder for folder in _folders(runs)}
    if name in folders:
        return folders[name]
    hint = did_you_mean(name, folders, "textgen list shows all runs")
    raise UnknownReferenceError(f"no run {name!r} in {runs}; {hint}")


def list_names(runs: Path) -> list[str]:
    """The names of all runs; first the one that has changed last."""
    changed = {}
    for folder in _folders(runs):
        with suppress(FileNotFoundError):  # deleted meanwhile
            changed[folder.name] = (folder / _FILE).stat().st_mtime
    return sorted(changed, key=lambda name: changed[name], reverse=True)


def read_all(runs: Path, report: Callable[[TextgenError], None]) -> list[RunRecord]:
    """All runs, newest first. One whose file is damaged is left out, and reported."""
    records = []
    for folder in _folders(runs):
        try:
            records.append(read(folder))
        except UnknownReferenceError:  # deleted meanwhile
            continue
        except TextgenError as error:
            report(error)
    return sorted(records, key=lambda run: run.started, reverse=True)


def _folders(runs: Path) -> list[Path]:
    return [file.parent for file in runs.glob(f"*/{_FILE}")]


def is_alive(folder: Path) -> bool:
    """Whether the run's process still holds its lock."""
    try:
        with locked(folder, shared=True, blocking=False):
            return False
    except BlockingIOError:
        return True
    except FileNotFoundError as error:
        raise UnknownReferenceError(f"{folder.name}: no such run") from error


def ask_to_stop(folder: Path) -> None:
    """Ask the run's process to end it. A file: the process may be in a container."""
    (folder / _STOP).touch()


def is_asked_to_stop(folder: Path) -> bool:
    """Whether somebody has asked the run to stop since it started."""
    return (folder / _STOP).exists()


def forget_stop(folder: Path) -> None:
    """Start without what was asked before."""
    (folder / _STOP).unlink(missing_ok=True)
