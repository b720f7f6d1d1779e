"""Transfers hold as much memory as they are given, whatever the sizes."""

import os
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from job.datasets import DatasetRef
from tests.datasets import writers
from tests.datasets.servers import EVERY

MANY = 256 << 20  # bytes
BOUND = 150 << 20


@pytest.mark.parametrize("server", EVERY[-1:], indirect=True)  # the quicker one
def test_the_memory_of_transfers_is_bounded(
    processes: ForkServerContext, s3: str, demo: DatasetRef, make: Callable[..., Path], tmp_path: Path
) -> None:
    source = make({"small": "x", "large": ""})
    os.truncate(source / "large", MANY)
    here, there = processes.Pipe()
    process = processes.Process(
        target=writers.there_and_back, args=(s3, source, tmp_path / "out", there), daemon=True
    )
    process.start()
    there.close()
    assert here.poll(120)
    base, peak = here.recv()
    process.join(60)
    assert 0 < peak - base < BOUND
    assert (tmp_path / "out/large").stat().st_size == MANY
