"""The version with the texts of all shards: made inside the store, of what each shard has stored."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import click

from job.datasets import DatasetRef, Datasets, Producer, StoredFile, Version
from job.datasets.commit import select_generation
from job.errors import CommitError
from job.generate.shard_files import name_shard_file
from job.pod.parts import RECORD
from job.pod.shard_files import SUMS
from job.pod.shards import Plan, ShardResult, Shards
from job.storage.parallel import parallel_map
from job.text import counted, listed

_BATCH = 32  # results that are read at once: each has a run.json of up to 1 MiB


def join_shards(
    datasets: Datasets, shards: Shards, ref: DatasetRef, count: int, output: str, lineage: Mapping[str, Any]
) -> Version:
    """Commit the texts of `count` shards as one version, once, and say that what they stored is in it.

    No file passes through this process. Raises CommitError if a text is missing, or if the shards are not
    those of one run.
    """
    producer = Producer(shards.run, shards.job, output)
    version = datasets.find_commit(ref, producer)
    if version is None:  # else garbage collection may have removed what the shards stored
        plan = shards.require_plan()
        if len(plan.texts_of_shards) != count:
            raise CommitError(f"{shards.job}: the plan has {len(plan.texts_of_shards)} shards, not {count}")
        total = _Total(plan)
        for index, result in enumerate(_read_results(shards, count)):
            total.add(index, result)
        record = total.build_record()
        version = datasets.commit_stored_files(
            ref,
            total.files,
            {RECORD: json.dumps(record, indent=2, ensure_ascii=False).encode() + b"\n"},
            lineage={**plan.lineage, **lineage, "generation": select_generation(record)},
            producer=producer,
        )
        click.echo(f"{counted(record['rows'], 'row')} of {counted(count, 'shard')} joined")
    shards.put_over(str(version))
    return version


def _read_results(shards: Shards, count: int) -> Iterator[ShardResult]:
    """The shards' results, in order. Raises CommitError if a shard is not done."""
    for first in range(0, count, _BATCH):
        indexes = range(first, min(first + _BATCH, count))
        for index, result in zip(indexes, parallel_map(shards.read_result, indexes), strict=True):
            if result is None:
                raise CommitError(f"{shards.job}: shard {index} of {count} is not done; run textgen retry")
            yield result


@dataclass(slots=True)
class _Total:
    """The files of all shards, and the run.json of the shard `first` with what all add up to."""

    plan: Plan
    files: list[StoredFile] = field(default_factory=list)
    first: int = 0
    record: dict[str, Any] = field(default_factory=dict)

    def add(self, index: int, result: ShardResult) -> None:
        """Add a shard. Raises CommitError if it has not all its texts, or is not of the others' run."""
        texts, record = self.plan.texts_of_shards[index], result.record
        # a row with an error leaves out texts that were planned of it, also in the shards after its own
        if result.rows + record["left_out"] != texts:
            raise CommitError(
                f"shard {index} has {counted(result.rows, 'row')}, and {counted(texts, 'text')} were planned"
            )
        if not result.rows:
            return
        if self.record:
            self._check_run(index, record["run"])
            self._add_figures(record)
        else:
            self.first, self.record = index, dict(record)
        for number, file in enumerate(result.files):
            path = name_shard_file(file.key.rpartition("/")[2], index, len(self.plan.texts_of_shards), number)
            self.files.append(StoredFile(path, file.key, file.size, file.sha256))

    def build_record(self) -> dict[str, Any]:
        """run.json of the version. Raises CommitError if no shard has a row, or too many have an error."""
        if not self.record:
            raise CommitError("no shard has a row")
        errors, most = self.record["counts"]["errors"], self.record["settings"].get("max_errors") or 0
        if errors > most > 0:
            raise CommitError(f"{counted(errors, 'row')} of all shards are wrong, and max_errors is {most}")
        new_tokens, seconds = self.record["new_tokens"], round(self.record["seconds"], 3)
        return {
            **{name: value for name, value in self.record.items() if name not in ("resumed_at", "left_out")},
            "prompts": self.plan.prompts,
            "shards": len(self.plan.texts_of_shards),
            "seconds": seconds,
            "tokens_per_second": round(new_tokens / seconds if seconds else 0.0, 1),
        }

    def _check_run(self, index: int, run: Mapping[str, Any]) -> None:
        first: Mapping[str, Any] = self.record["run"]
        names = [name for name in {**first, **run} if first.get(name) != run.get(name)]
        if names:
            values = (f"{name} {first.get(name)} and {run.get(name)}" for name in names)
            raise CommitError(
                f"shards {self.first} and {index} differ ({listed(values)}); start the run again"
            )

    def _add_figures(self, record: Mapping[str, Any]) -> None:
        total, counts, more = self.record, self.record["counts"], record["counts"]
        total["counts"] = {
            **counts,
            **{name: counts[name] + more[name] for name in SUMS},
            "finish_reasons": dict(
                sorted((Counter(counts["finish_reasons"]) + Counter(more["finish_reasons"])).items())
            ),
        }
        for name in ("rows", "new_tokens", "seconds"):
            total[name] += record[name]
        total["started"] = min(total["started"], record["started"], key=datetime.fromisoformat)
        total["finished"] = max(total["finished"], record["finished"], key=datetime.fromisoformat)
