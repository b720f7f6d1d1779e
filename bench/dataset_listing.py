"""How long `textgen dataset list` and `versions` take in a store with many versions.

    python bench/dataset_listing.py STORE-URL [--datasets 1000] [--versions 10]

Fills the store with log records (no files) unless it has them; each command runs in another process.
The target is less than a second.
"""

import statistics
import subprocess
import sys
import time

import click

from job.datasets import DatasetRef, Datasets, layout
from job.datasets.history import Entry, Kind
from job.datasets.log import Log
from job.storage.parallel import parallel_map


@click.command()
@click.argument("url")
@click.option("--datasets", "count", default=1000, show_default=True)
@click.option("--versions", default=10, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(url: str, count: int, versions: int, rounds: int) -> None:
    """Print seconds for each command."""
    store = Datasets.at(url).store
    store.supports_conditional_writes()

    def fill(number: int) -> None:
        log = Log(store, DatasetRef(f"dataset-{number:04d}"))
        for _ in range(versions - log.read_newest().number):
            version = layout.new_id()
            entry = Entry(
                layout.new_id(), Kind.COMMIT, store.now(), version, files=1, size=1, manifest="0" * 64
            )
            log.append(lambda _, entry=entry: entry)  # type: ignore[misc]

    parallel_map(fill, range(count))
    click.echo("| command | seconds |\n|---|---|")
    for words in (["list"], ["versions", f"dataset-{count // 2:04d}"], ["list", "-o", "json"]):
        command = [sys.executable, "-m", "argo", "dataset", *words, "--store", url]
        took = []
        for _ in range(rounds):
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            took.append(time.perf_counter() - started)
        click.echo(f"| {' '.join(words)} | {statistics.median(took):.2f} |")


if __name__ == "__main__":
    main()
