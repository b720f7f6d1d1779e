"""What a run says of itself is printed; a terminal obeys none of it."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from argo.cli import show_run
from argo.runs import JobRecord, Phase, RunRecord, now

TITLE = "\x1b]0;title\x07"  # sets the title of a terminal's window


def test_control_characters_do_not_reach_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("argo.cluster.run_logs.read_last_lines", lambda *_: [TITLE])
    job = JobRecord(phase=Phase.FAILED, message=TITLE, outputs={"text": TITLE})
    record = RunRecord("run", "", "", "argo:base", "", {}, now(), {"job": job}, message=TITLE)
    show_run._ChangePrinter()(record)
    show_run._print_summary(
        cast(Any, SimpleNamespace(namespace="base")), cast(Any, SimpleNamespace(record=record))
    )
    printed = capsys.readouterr().out
    assert not {"\x1b", "\x07"} & set(printed)
    assert printed.count("�]0;title�") == 6
