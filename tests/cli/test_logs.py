"""`textgen logs` of a run on this machine prints every byte that a job has printed."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from argo.cli import logs
from argo.local import run_folder
from argo.local.log_tail import LogTail
from argo.runs import JobRecord, Phase, RunRecord, now
from job.text import visible


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of the job of a run that has ended."""
    folder = tmp_path / ".textgen" / "runs" / "run"
    (folder / "jobs" / "job").mkdir(parents=True)
    job = JobRecord(phase=Phase.FAILED)
    run_folder.Run(folder, RunRecord("run", "", "", "host", "", {}, now(), {"job": job}, Phase.FAILED))
    monkeypatch.chdir(tmp_path)
    return folder / "jobs" / "job" / "log"


@pytest.mark.parametrize("follow", [(), ("--follow",)])
@pytest.mark.parametrize("text", ["a\nlast", "a\n\nb\n", "\x0ca\x85b"])
def test_the_last_line_needs_no_end(log: Path, follow: tuple[str, ...], text: str) -> None:
    log.write_text(text)
    printed = CliRunner().invoke(logs.command, ["run", "job", *follow]).output
    assert printed == visible(text, keep="\n").rstrip("\n") + "\n"


def test_a_line_of_some_megabytes_is_whole(log: Path) -> None:
    log.write_text("x" * 3_000_000)
    printed = CliRunner().invoke(logs.command, ["run", "job"]).output
    assert printed.replace("\n", "") == "x" * 3_000_000


def test_a_character_that_is_not_written_whole_yet_is_not_torn(log: Path) -> None:
    tail = LogTail(log.parents[2], "job")
    assert list(tail.read_lines(is_end=False)) == []
    log.write_bytes("日本".encode()[:4])
    assert list(tail.read_lines(is_end=False)) == []
    log.write_bytes("日本\n語".encode())
    assert list(tail.read_lines(is_end=False)) == ["日本"]
    assert list(tail.read_lines(is_end=True)) == ["語"]
