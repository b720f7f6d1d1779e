"""How far a run has come, as text."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from job.generate import progress


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the times that the module sees, one after the other."""

    def set_times(*times: float) -> None:
        clock = iter(times)
        monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))

    return set_times


@pytest.mark.parametrize(
    ("tokens", "seconds", "text"),
    [(370, 10, "37 tokens/s"), (3, 10, "0.3 tokens/s"), (0, 0, "0.0 tokens/s")],
)
def test_a_slow_speed_has_a_digit_more(tokens: int, seconds: float, text: str) -> None:
    assert progress.format_speed(tokens, seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5300, "88 min"), (11_100, "3 h 5 min")]
)
def test_seconds_are_told_in_the_unit_that_fits(seconds: float, text: str) -> None:
    assert progress.format_seconds(seconds) == text


def test_a_pipe_gets_the_share_and_the_time_that_is_left(
    capsys: pytest.CaptureFixture[str], set_clock: Callable[..., None]
) -> None:
    set_clock(0.0, 2.0, 10.0, 12.0)
    with progress.report_progress(total=500, done=100) as advance:
        for _ in range(3):
            advance(14, 140)
    assert capsys.readouterr().err == "128 of 500 texts (26%), 28 tokens/s, 2 min left\n"


def test_texts_that_are_only_computed_again_tell_no_time(
    capsys: pytest.CaptureFixture[str], set_clock: Callable[..., None]
) -> None:
    set_clock(0.0, 10.0, 20.0)
    with progress.report_progress(total=500, done=100) as advance:
        advance(0, 140)
        advance(100, 140)
    assert capsys.readouterr().err == "200 of 500 texts (40%), 14 tokens/s, 60 s left\n"


def test_without_a_stderr_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    with progress.report_progress(total=2) as advance:
        advance(1, 10)


def test_files_are_written_at_the_start_each_five_seconds_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_clock: Callable[..., None]
) -> None:
    set_clock(100.0, 104.0, 105.0, 106.0, 107.5)
    monkeypatch.setenv("ARGO_PROGRESS_FILE", str(tmp_path / "argo"))
    files = progress.ProgressFiles(tmp_path, total=8, done=2, is_shard=True)
    seen = []

    def look() -> None:
        values = json.loads((tmp_path / "progress.json").read_bytes())
        seen.append(((tmp_path / "argo").read_text(), values["new_tokens"], values["seconds"]))

    files.write()
    look()
    with files:
        for _ in range(3):
            files.advance(1, 10)
            look()
    look()
    assert seen == [
        ("2/8\n", 0, 0.0),
        ("2/8\n", 0, 0.0),
        ("4/8\n", 20, 5.0),
        ("4/8\n", 20, 5.0),
        ("5/8\n", 30, 7.5),
    ]
    assert json.loads((tmp_path / "progress.json").read_bytes())["done"] == 5


def test_a_run_without_shards_leaves_no_progress_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARGO_PROGRESS_FILE", str(tmp_path / "argo"))
    progress.ProgressFiles(tmp_path, total=8, done=2, is_shard=False).write()
    assert [path.name for path in tmp_path.iterdir()] == ["argo"]


def test_argo_s_file_has_no_zero_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARGO_PROGRESS_FILE", str(tmp_path / "argo"))
    progress.ProgressFiles(tmp_path, total=0, done=0, is_shard=True).write()
    assert not (tmp_path / "argo").exists()


def test_progress_that_can_t_be_written_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARGO_PROGRESS_FILE", str(tmp_path / "none" / "argo"))
    progress.ProgressFiles(tmp_path / "none", total=8, done=2, is_shard=True).write()
