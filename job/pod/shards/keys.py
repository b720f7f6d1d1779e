"""What the pods of a generation in shards leave for one another in the store.

    runs/<run>/shards/<job>/plan/<id>/…      what `python -m job plan` wrote (plan.py)
    runs/<run>/shards/<job>/plan.json        put if absent, when all of a plan is stored: the one that counts
    runs/<run>/shards/<job>/00003/run.json   the newest that a pod of the shard had
    runs/<run>/shards/<job>/00003/progress.json
    runs/<run>/shards/<job>/00003/parts/…    its texts so far (parts.py)
    runs/<run>/shards/<job>/00003/files/<id>/…    its texts, whole (files.py)
    runs/<run>/shards/<job>/00003/result.json     put last: the shard is done
    runs/<run>/shards/<job>/over.json        all shards are in a version, and nothing here is needed any more

Shards count from 0. If a node is lost, two pods may work on one shard at the same time: each puts objects of
its own, which are whole, and the texts of one are as good as those of the other.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from job.datasets.layout import over_key
from job.errors import InputError, StoreError
from job.generate.shards.files import MOST_SHARDS
from job.pod.results import decide, get_json, job_folder
from job.pod.spec import SHARD
from job.pod.values import read_variable
from job.storage import json as store_json
from job.storage.store import Store


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan that counts: the prefix of its files, below that of the shards, and what they add up to.

    prompts: how many rows there are; lineage: of the pod that made the plan.
    """

    prefix: str
    prompts: int
    texts_of_shards: tuple[int, ...]
    lineage: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ShardFile:
    """One of a shard's files; `size` in bytes. rows: its lines, or for a Parquet file its rows."""

    key: str
    size: int
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class ShardResult:
    """A shard that is done: its files, in order, its rows, and its run.json."""

    files: tuple[ShardFile, ...]
    rows: int
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ShardProgress:
    """How many of a shard's texts there are; the tokens and seconds of the process that makes them now."""

    done: float
    texts: float
    new_tokens: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Shards:
    """The shards of one job of a run."""

    store: Store
    run: str
    job: str

    @property
    def prefix(self) -> str:
        """The prefix of all their keys. Raises InputError if the run or the job has no such name."""
        return f"{job_folder(self.run, 'shards', self.job)}/"

    def shard_prefix(self, index: int) -> str:
        return f"{self.prefix}{index:05d}/"

    def read_plan(self) -> Plan | None:
        """The plan; None if there is none yet."""
        document = get_json(self.store, f"{self.prefix}plan.json")
        return None if document is None else _read_plan(document)

    def require_plan(self) -> Plan:
        """The plan. Raises StoreError if there is none."""
        plan = self.read_plan()
        if plan is None:
            raise StoreError(f"{self.job} has left no plan in {self.store.url}; run the workflow again")
        return plan

    def decide_plan(self, plan: Plan) -> Plan:
        """Propose a plan, all of whose files are stored; the one that counts, which may be another pod's."""
        return _read_plan(decide(self.store, f"{self.prefix}plan.json", asdict(plan)))

    def read_result(self, index: int) -> ShardResult | None:
        """The result of a shard; None if it is not done."""
        document = get_json(self.store, f"{self.shard_prefix(index)}result.json")
        if document is None:
            return None
        files = tuple(ShardFile(**file) for file in document["files"])
        return ShardResult(files, document["rows"], document["record"])

    def put_result(self, index: int, result: ShardResult) -> None:
        """Say that a shard is done, whose files are all stored."""
        body = json.dumps(asdict(result), ensure_ascii=False).encode()
        self.store.put(f"{self.shard_prefix(index)}result.json", body)

    def read_progress(self, index: int) -> ShardProgress | None:
        """How far a shard has come, as its pod has said last; None if it has said nothing yet."""
        document = get_json(self.store, f"{self.shard_prefix(index)}progress.json")
        return None if document is None else ShardProgress(**document)

    def put_over(self, version: str) -> None:
        """Say that all shards are in this version: garbage collection may remove what they have stored."""
        over = {"format": 1, "version": version, "at": self.store.now().isoformat()}
        self.store.put(over_key(self.run, self.job), store_json.encode(over))


def _read_plan(document: Mapping[str, Any]) -> Plan:
    texts = tuple(document["texts_of_shards"])
    return Plan(document["prefix"], document["prompts"], texts, document["lineage"])


def read_index(environ: Mapping[str, str] = os.environ) -> int:
    """The number of this pod's shard, from 0. Raises InputError if it is none."""
    text = read_variable(SHARD, environ)
    if not (text.isascii() and text.isdigit() and int(text) < MOST_SHARDS):
        raise InputError(f"{SHARD}: not the number of a shard: {text!r}")
    return int(text)
