"""Transfers hold a fixed amount of memory for files of any size."""

import os
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from job.datasets import Datasets
from tests.datasets import writers
from tests.storage.servers import EVERY

MIB = 1 << 20


@pytest.mark.parametrize("server", EVERY[-1:], indirect=True)  # the quicker one
@pytest.mark.parametrize(
    ("sizes", "most"),
    [([256 * MIB], 150 * MIB), ([15 * MIB] * 32, 120 * MIB), ([MIB] * 200, 110 * MIB)],
    ids=["one large file", "large ones", "small ones"],
)
def test_the_memory_of_transfers_is_bounded(
    processes: ForkServerContext,
    s3: str,
    make: Callable[..., Path],
    tmp_path: Path,
    sizes: list[int],
    most: int,
) -> None:
    source = make({"small": "x", **{f"large{number}": "" for number in range(len(sizes))}})
    for number, size in enumerate(sizes):
        os.truncate(source / f"large{number}", size)
    receiver, sender = processes.Pipe()
    process = processes.Process(
        target=writers.commit_and_fetch, args=(s3, source, tmp_path / "out", sender), daemon=True
    )
    process.start()
    sender.close()
    assert receiver.poll(600)
    base, peak = receiver.recv()
    process.join(60)
    assert 0 < peak - base < most
    assert [(tmp_path / f"out/large{number}").stat().st_size for number in range(len(sizes))] == sizes
    datasets = Datasets.at(s3)  # whose server keeps its files for as long as any test runs
    datasets.drop(writers.DEMO, with_versions=True)
    assert sum(freed.size for freed in datasets.collect_garbage(timedelta(0))) > sum(sizes)
