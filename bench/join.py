"""Joining the shards of a generation: requests, seconds and memory, which must not grow with rows.

    python bench/join.py [--shards 1000] [--rows 10000000]

Three runs are joined in a temporary folder, each in a process of its own: a tenth of the shards, a tenth of
the rows, and all. What their shards would have stored is made before. A request is a call of the store.
"""

import hashlib
import json
import multiprocessing
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click

from job.datasets import DatasetRef, Datasets
from job.generate.settings import Settings
from job.pod.shards.join import join_shards
from job.pod.shards.keys import Plan, ShardFile, ShardResult, Shards
from job.storage.parallel import parallel_map

CALLS = (
    "get",
    "put",
    "put_if_absent",
    "upload",
    "read",
    "copy",
    "list_objects",
    "list_folders",
    "delete",
    "now",
)
ANSWERS = DatasetRef("answers")


def store_shards(url: str, run: str, count: int, rows: int) -> None:
    """What plan and shards leave, of rows of about 100 bytes each."""
    shards = Shards(Datasets.at(url).store, run, "write")
    line = json.dumps({"id": "prompts.jsonl:1", "sequence": 1, "text": "a text", "completion": " text"})
    body = f"{line}\n".encode() * (rows // count)
    sha256 = hashlib.sha256(body).hexdigest()
    shards.decide_plan(Plan("plan/x/", rows, (rows // count,) * count, {}))
    record = {
        "state": "completed",
        "run": {"model": "echo", "versions": {"textgen": "0"}},
        "settings": {name: getattr(Settings(), name) for name in ("format", "seed", "max_errors")},
        "rows": rows // count,
        "left_out": 0,
        "counts": {
            "texts": rows // count,
            "errors": 0,
            "finish_reasons": {"stop": rows // count},
            "prompt_tokens": rows // count,
            "new_tokens": rows // count,
        },
        "new_tokens": rows // count,
        "seconds": 1.0,
        "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:00:01+00:00",
    }

    def put(index: int) -> None:
        key = f"{shards.shard_prefix(index)}files/x/outputs.jsonl"
        shards.store.upload(key, [body], len(body))
        file = ShardFile(key, len(body), sha256, rows // count)
        shards.put_result(index, ShardResult((file,), rows // count, record))

    parallel_map(put, range(count), workers=4)


def join(url: str, run: str, count: int, sender: Connection) -> None:
    """Join in this process; send its requests, its seconds, and the MiB that it took more than before."""
    datasets = Datasets.at(url)
    requests: Counter[str] = Counter()
    within = threading.local()  # a folder's copy calls its upload

    def counting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            is_outer = not getattr(within, "call", False)
            requests[name] += is_outer
            within.call = True
            try:
                return call(*arguments)
            finally:
                within.call = not is_outer

        return counted

    for name in CALLS:
        setattr(datasets.store, name, counting(name, getattr(datasets.store, name)))
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    join_shards(datasets, Shards(datasets.store, run, "write"), ANSWERS, count, "texts", {})
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sender.send((dict(requests), seconds, (after - before) >> (20 if sys.platform == "darwin" else 10)))


@click.command()
@click.option("--shards", default=1000, show_default=True)
@click.option("--rows", default=10_000_000, show_default=True)
def main(shards: int, rows: int) -> None:
    """Print a table."""
    context = multiprocessing.get_context("spawn")
    click.echo("| shards | rows | requests | of which copies | seconds | MiB |\n" + "|---" * 6 + "|")
    for count, total in ((shards // 10, rows), (shards, rows // 10), (shards, rows)):
        folder = Path(tempfile.mkdtemp())
        try:
            target, run = folder.as_uri(), f"{count}-{total}"
            store_shards(target, run, count, total)
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=join, args=(target, run, count, sender))
            process.start()
            requests, seconds, memory = receiver.recv()
            process.join()
            version = Datasets.at(target).resolve(ANSWERS)
            if version.files != count + 1:
                raise SystemExit(f"{version}: {version.files} files")
            sums = f"{sum(requests.values())} | {requests['copy']} | {seconds:.1f} | {memory}"
            click.echo(f"| {count:,} | {total:,} | {sums} |")
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
