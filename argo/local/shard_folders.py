"""What the shards of a job leave on this machine until its version is made, also for a retry.

    given.json       what the settings depend on beside the file, as hashes
    planning-…/      what `python -m job plan` sees as /outputs
    planned/         the same, once all of the plan is there
    00003/outputs/   what a shard sees as /outputs
    00003/done       it has ended well

A job's programs write in `planning` and `outputs` alone, and may leave anything there. Those of an image may
be another user's, whose folders can be read, but neither moved nor removed.
"""

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

from job.errors import CommitError, JobError
from job.files import sync_folder, write_atomically
from job.generate.progress import FILE as PROGRESS
from job.generate.progress import parse_progress
from job.generate.shards.files import FILES, name_shard_file
from job.generate.shards.plan_json import FILE, LARGEST, PlannedTexts, read_planned_texts
from job.generate.shards.record import (
    LARGEST_RECORD,
    ShardsRecord,
    open_shard_file,
    read_shard_record,
)
from job.storage.parallel import Progress, ignore_progress
from job.text import counted
from job.untrusted_files import UntrustedPath, remove_tree

PLAN = "plan"

_PLANNED, _GIVEN, _DONE, _RECORD = "planned", "given.json", "done", "run.json"
_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class ShardFolders:
    """The folders below `root` of a job's `shards`, whose texts go to /outputs/`output`."""

    root: Path
    output: str
    shards: int

    def check_given(self, values: Mapping[str, str]) -> None:
        """Raise JobError if a value that the texts depend on was another when the plan was made."""
        given, earlier = _hash(values), json.loads((self.root / _GIVEN).read_bytes())
        names = [name for name in sorted({*given, *earlier}) if given.get(name) != earlier.get(name)]
        if names:
            raise JobError(
                f"{', '.join(names)}: not as when the shards began; set it as it was, or run the file anew"
            )

    @property
    def is_planned(self) -> bool:
        return (self.root / _PLANNED).exists()

    def make_planning(self) -> Path:
        """A new folder, which the plan sees as /outputs."""
        for earlier in self.root.glob("planning-*"):
            remove_tree(earlier)
        self.root.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(prefix="planning-", dir=self.root))
        folder.chmod(0o777)  # for any user of an image
        return folder

    def keep_plan(self, planning: Path, given: Mapping[str, str]) -> None:
        """Take what the plan has left in its folder, and what it was given; all is on the disk then.

        Raises JobError if it has left nothing.
        """
        plan = UntrustedPath(planning, (PLAN,), f"/outputs/{PLAN}")
        if not plan.is_folder():
            raise JobError(f"{plan.name}: no such folder; the plan has left nothing")
        for entry in plan.walk():
            if stat.S_ISREG(entry.status.st_mode):
                with plan.joinpath(entry.path).open() as file:
                    os.fsync(file.fileno())
        write_atomically(self.root / _GIVEN, [json.dumps(_hash(given)).encode()])
        planning.rename(self.root / _PLANNED)
        sync_folder(self.root)

    def read_plan(self) -> PlannedTexts:
        """How many texts each shard has. Raises JobError if there is no plan of the shards."""
        file = UntrustedPath(self.root / _PLANNED, (PLAN, FILE), f"/outputs/{PLAN}/{FILE}")
        try:
            plan = read_planned_texts(file.read(LARGEST))
        except FileNotFoundError:
            raise JobError(f"{file.name}: no such file; was the plan stopped?") from None
        except ValueError as problem:
            raise JobError(f"{file.name}: {problem}") from None
        if len(plan.texts_of_shards) != self.shards:
            raise JobError(f"{file.name}: no plan of {counted(self.shards, 'shard')}")
        return plan

    def find_rows(self, index: int) -> Path:
        """What a shard reads. Raises JobError if the plan has left no such folder."""
        name = f"{index:05d}"
        rows = UntrustedPath(self.root / _PLANNED, (PLAN, name), f"/outputs/{PLAN}/{name}")
        if not rows.is_folder():
            raise JobError(f"{rows.name}: no such folder in the plan")
        return rows.root.joinpath(*rows.parts)

    def make_outputs(self, index: int) -> Path:
        """What a shard sees as /outputs, with what it wrote before.

        Raises JobError if it put something else in the place of its texts.
        """
        texts = self._texts(index)
        folder = texts.root.joinpath(*texts.parts)
        if not os.path.lexists(folder):
            _make_folder(folder.parent)
            _make_folder(folder)
        elif not texts.is_folder():
            raise JobError(f"the job replaced the folder {texts.name}")
        return folder.parent

    def is_done(self, index: int) -> bool:
        return (self.root / f"{index:05d}" / _DONE).exists()

    def set_done(self, index: int) -> None:
        (self.root / f"{index:05d}" / _DONE).touch()

    def count_texts(self, index: int) -> int:
        """How many texts a shard has made that is at work or was stopped, as far as it says so."""
        try:
            body = self._texts(index).joinpath(PROGRESS).read(LARGEST_RECORD)
            return int(parse_progress(body)["done"])
        except (FileNotFoundError, CommitError, ValueError):
            return 0

    def collect(self, progress: Progress = ignore_progress) -> dict[str, UntrustedPath]:
        """The files of the version, by their paths there. `progress` is called with the bytes that were read.

        Raises CommitError if a shard has not all its texts, or is of another run; a retry works on it then.
        """
        plan, total = self.read_plan(), ShardsRecord()
        files: dict[str, UntrustedPath] = {}
        for index, texts in enumerate(plan.texts_of_shards):
            if texts:
                try:
                    files |= self._collect_shard(index, texts, total, progress)
                except CommitError:
                    (self.root / f"{index:05d}" / _DONE).unlink(missing_ok=True)
                    raise
        record = total.build(plan.prompts, self.shards)
        path = self.root / _RECORD
        write_atomically(path, [json.dumps(record, indent=2, ensure_ascii=False).encode() + b"\n"])
        return {**files, _RECORD: UntrustedPath.at(path)}

    def _collect_shard(
        self, index: int, texts: int, total: ShardsRecord, progress: Progress
    ) -> dict[str, UntrustedPath]:
        folder = self._texts(index)
        record = read_shard_record(folder.joinpath(_RECORD))
        _check_rows(folder, record["rows"], progress)
        total.add(index, texts, record)
        if not record["rows"]:  # a row with an error left out all of them
            return {}
        name = FILES[record["settings"]["format"]]
        open_shard_file(folder.joinpath(name)).close()
        return {name_shard_file(name, index, self.shards): folder.joinpath(name)}

    def _texts(self, index: int) -> UntrustedPath:
        name = f"/outputs/{self.output}" + (f" of shard {index}" if self.shards > 1 else "")
        return UntrustedPath(self.root / f"{index:05d}", ("outputs", self.output), name)


def _hash(values: Mapping[str, str]) -> dict[str, str]:
    """The values' digests: a value may be a secret."""
    return {name: sha256(text.encode("utf-8", "replace")).hexdigest() for name, text in values.items()}


def _make_folder(folder: Path) -> None:
    """Make a folder that any user of an image can write to."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)


def _check_rows(folder: UntrustedPath, rows: int, progress: Progress) -> None:
    """Raise CommitError unless outputs.jsonl has so many rows, each of them whole."""
    file, lines, last = folder.joinpath(FILES["jsonl"]), 0, b"\n"
    with open_shard_file(file) as stream:
        while chunk := stream.read(_CHUNK):
            lines, last = lines + chunk.count(b"\n"), chunk
            progress(len(chunk))
    if lines != rows or not last.endswith(b"\n"):
        raise CommitError(f"{file.name}: has {lines} whole rows, and {_RECORD} says {rows}")
