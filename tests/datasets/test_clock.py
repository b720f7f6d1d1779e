"""A machine whose clock is wrong: the order of versions and garbage collection must not rest on it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from job.datasets import DatasetRef, Datasets
from job.datasets.log import Log
from tests.storage.servers import EVERY

Make = Callable[..., Path]
Wrong = Callable[..., "subprocess.CompletedProcess[str]"]

MINUTE, DAY = 60, 24 * 60 * 60
SHIM = """
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec += atol(getenv("SECONDS_OFF"));
    return failed;
}
"""


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that sets a process's clock SECONDS_OFF seconds forward."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: no way to give a process a wrong clock")
    library = tmp_path_factory.mktemp("shim") / "clock.so"
    command = [compiler, "-shared", "-fPIC", "-xc", "-", "-o", str(library)]
    subprocess.run(command, input=SHIM, text=True, check=True)
    return library


@pytest.fixture
def off(shim: Path) -> Wrong:
    """Runs `textgen dataset` with a clock that is `seconds` ahead."""

    def ran(seconds: int, *words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "argo", "dataset", *words]
        environment = {**os.environ, "LD_PRELOAD": str(shim), "SECONDS_OFF": str(seconds)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return ran


@pytest.mark.parametrize("seconds", [DAY, -DAY])
@pytest.mark.parametrize("server", EVERY[-1:], indirect=True)
def test_a_store_that_refuses_a_clock_a_day_off_is_one_line(
    off: Wrong, s3: str, demo: DatasetRef, make: Make, seconds: int
) -> None:
    datasets = Datasets.at(s3)
    version = datasets.commit_version(demo, make(), lineage={})
    ran = off(seconds, "commit", "demo", str(make({"b": "new"})), "--store", s3)
    assert ran.returncode != 0
    message = r"textgen: s3://\S+: this machine's clock is too far from the store's; set it and try again\n"
    assert re.fullmatch(message, ran.stderr)
    assert datasets.versions(demo) == [version]


@pytest.mark.parametrize("seconds", [10 * MINUTE, -10 * MINUTE])
@pytest.mark.parametrize("server", EVERY[-1:], indirect=True)
def test_a_clock_that_a_store_still_takes_changes_nothing(
    off: Wrong, s3: str, demo: DatasetRef, make: Make, seconds: int
) -> None:
    datasets = Datasets.at(s3)
    first = datasets.commit_version(demo, make(), lineage={})
    assert off(seconds, "commit", "demo", str(make({"b": "new"})), "--store", s3).returncode == 0
    second = datasets.resolve(demo)
    assert datasets.versions(demo) == [second, first]
    assert abs((second.created - datetime.now(UTC)).total_seconds()) < MINUTE
    datasets.store.put("default/demo/data/coming/a", b"of a commit that is not done")
    collected = off(seconds, "gc", "--older-than", "5m", "--store", s3)
    assert collected.stdout == "freed 0 B\n", collected.stderr
    assert len(Log(datasets.store, demo).read()) == 2  # it was not tombstoned


@pytest.mark.parametrize("seconds", [DAY, -DAY])
def test_in_a_folder_a_clock_a_day_off_loses_nothing(
    off: Wrong, folder: str, demo: DatasetRef, make: Make, tmp_path: Path, seconds: int
) -> None:
    datasets = Datasets.at(folder)
    first = datasets.commit_version(demo, make(), lineage={})
    assert off(seconds, "commit", "demo", str(make({"b": "new"})), "--store", folder).returncode == 0
    third = datasets.commit_version(demo, make({"c": "newest"}), lineage={})
    assert off(seconds, "gc", "--store", folder).returncode == 0
    assert datasets.resolve(demo) == third
    versions = datasets.versions(demo)
    assert len(versions) == 3
    assert versions[-1] == first
    for number, version in enumerate(versions):
        datasets.fetch(version, tmp_path / f"out-{number}")
