"""What a run says of itself is printed; a terminal obeys none of it."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from argo.cli import logs, show_run
from argo.cli.progress import LineReporter
from argo.cli.tables import print_value
from argo.local import run_folder
from argo.runs import JobRecord, Phase, RunRecord, now
from job.text import visible

TITLE = "\x1b]0;title\x07"  # sets the title of a terminal's window


def test_control_characters_do_not_reach_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("argo.cluster.run_logs.read_last_lines", lambda *_: [TITLE])
    job = JobRecord(phase=Phase.FAILED, message=TITLE, outputs={"text": TITLE})
    record = RunRecord("run", "", "", "argo:base", "", {}, now(), {"job": job}, message=TITLE)
    show_run._ChangePrinter()(record)
    show_run._print_summary(
        cast(Any, SimpleNamespace(options="-n base")), cast(Any, SimpleNamespace(record=record))
    )
    printed = capsys.readouterr().out
    assert not {"\x1b", "\x07"} & set(printed)
    assert printed.count("�]0;title�") == 6


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["x", "ModuleNotFoundError: No module named 'torch'"], True),
        (["ModuleNotFoundError: No module named 'torch'", "textgen: no version is made"], True),
        (["x", "ModuleNotFoundError: No module named 'torchvision'"], False),
        ([], False),
    ],
)
def test_a_job_whose_image_lacks_torch_is_told_of_one_that_has_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], lines: list[str], said: bool
) -> None:
    monkeypatch.setattr("argo.cluster.run_logs.read_last_lines", lambda *_: lines)
    record = RunRecord("run", "", "", "argo:base", "", {}, now(), {"job": JobRecord(phase=Phase.FAILED)})
    show_run._print_summary(
        cast(Any, SimpleNamespace(options="-n base")), cast(Any, SimpleNamespace(record=record))
    )
    hint = "  its image has no torch; take one that has it, such as textgen-job"
    assert (hint in capsys.readouterr().out.splitlines()) is said


def test_a_line_of_a_job_has_its_colours_and_nothing_else() -> None:
    stream = io.StringIO()
    LineReporter(stream, ["job"]).line("job", f"\x1b[31mred\x1b[0m\t{TITLE}")
    assert stream.getvalue().endswith(
        "| red\t�]0;title�\n"
    )  # click drops the colours where there is no terminal


@pytest.mark.parametrize("job", [(), ("job",)], ids=["all", "one"])
def test_the_logs_of_a_local_run_do_not_control_the_terminal(tmp_path: Path, job: tuple[str, ...]) -> None:
    folder = tmp_path / ".textgen" / "runs" / "run"
    (folder / "jobs" / "job").mkdir(parents=True)
    (folder / "jobs" / "job" / "log").write_text(f"{TITLE}\n")
    run_folder.Run(folder, RunRecord("run", "", "", "host", "", {}, now(), {"job": JobRecord()}))
    command = [sys.executable, "-m", "argo", "logs", "run", *job]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert printed.endswith("�]0;title�\n")
    assert "\x1b" not in printed


@pytest.mark.parametrize("job", [None, "job"])
def test_the_logs_of_a_run_on_the_cluster_do_not_control_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], job: str | None
) -> None:
    snapshot = SimpleNamespace(record=SimpleNamespace(jobs={"job": JobRecord()}))
    monkeypatch.setattr("argo.cluster.follow_run.get_snapshot", lambda *_: snapshot)
    monkeypatch.setattr(
        "argo.cluster.run_logs.read_logs", lambda *_: [SimpleNamespace(job="job", text=TITLE)]
    )
    logs._print_cluster_logs(cast(Any, None), "run", job, follow=False)
    assert capsys.readouterr().out.endswith("�]0;title�\n")


@pytest.mark.parametrize(("output", "parse"), [("json", json.loads), ("yaml", yaml.safe_load)])
@pytest.mark.parametrize("text", [f"{TITLE}\x9b2J\u202e\U000e0041é\n", "é\u202e", "é\u2066\n\tb\n"])
def test_json_and_yaml_read_back_the_same_and_have_no_control_characters(
    capsys: pytest.CaptureFixture[str], output: str, parse: Callable[[str], object], text: str
) -> None:
    print_value({"text": text, text: 1}, output)
    printed = capsys.readouterr().out
    assert parse(printed) == {"text": text, text: 1}
    assert visible(printed, keep="\n") == printed
    assert "é" in printed


def test_a_text_of_several_lines_is_a_block_of_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    print_value({"text": "a\nbé\n"}, "yaml")
    assert capsys.readouterr().out == "text: |\n  a\n  bé\n"
