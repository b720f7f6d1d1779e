"""How many processors a run takes."""

import os

import pytest

from job.generate.processors import count_processors


def test_those_are_counted_that_the_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert count_processors() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_where_the_system_does_not_tell_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert count_processors() == os.cpu_count()
