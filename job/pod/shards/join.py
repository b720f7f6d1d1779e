"""The version with the texts of all shards: made inside the store, of what each shard has stored."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from job.datasets import DatasetRef, Datasets, Producer, StoredFile, Version
from job.datasets.commit import select_generation
from job.errors import CommitError
from job.generate.outputs import RECORD
from job.generate.shards.files import name_shard_file
from job.generate.shards.record import ShardsRecord
from job.pod.shards.keys import ShardResult, Shards
from job.storage.parallel import parallel_map
from job.text import counted

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
        total, files = ShardsRecord(), list[StoredFile]()
        for index, result in enumerate(_read_results(shards, count)):
            total.add(index, plan.texts_of_shards[index], {**result.record, "rows": result.rows})
            for number, file in enumerate(result.files):
                path = name_shard_file(file.key.rpartition("/")[2], index, count, number)
                files.append(StoredFile(path, file.key, file.size, file.sha256))
        record = total.build(plan.prompts, count)
        version = datasets.commit_stored_files(
            ref,
            files,
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
