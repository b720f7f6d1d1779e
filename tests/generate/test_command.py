"""The command: how it ends, what it prints, and what a killed one leaves."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from argo.cli import generate as passed_through
from job.__main__ import main
from job.generate import outputs, run
from job.generate.settings import Settings
from tests.generate.conftest import slow_job


def end(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str]:
    """The exit status and what was message on stderr."""
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    return stopped.value.code, capsys.readouterr().err


def test_bad_input_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    status, message = end(capsys, "generate", "--seed", "x")
    assert (status, message) == (2, "textgen: --seed: seed must be an integer, not 'x'\n")


def test_a_model_without_a_revision_is_shown_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, message = end(capsys, "generate", "--engine", "echo", "--output", str(tmp_path / "outputs"))
    assert message.startswith("model echo, engine echo, device cpu, dtype none\n")


def test_debug_shows_where_an_error_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    status, message = end(capsys, "--debug", "generate", "--top-p", "2")
    assert status == 2
    assert message.startswith("Traceback")
    assert message.endswith("\ntextgen: --top-p: top_p must be at most 1, not 2\n")


def test_an_unknown_flag_is_reported_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    status, message = end(capsys, "generate", "--max-lenght", "5")
    assert status == 2
    assert "--max-length" in message


def test_bad_settings_are_found_before_torch_is_loaded() -> None:
    script = (
        "import sys, job.__main__ as m\n"
        "try: m.main(['generate', '--seed=x'])\n"
        "except SystemExit: sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, capture_output=True).returncode == 0


def test_textgen_generate_hands_its_arguments_on(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _, arguments: started.append(arguments))
    passed_through.command.main(["--prompt", "-x; $(y)", "--help"], standalone_mode=False)
    assert started[0][4:] == ["generate", "--prompt", "-x; $(y)", "--help"]


def test_each_program_s_help_has_its_own_name() -> None:
    for words, usage in ((["argo", "generate"], "textgen generate"), (["job", "generate"], "python -m job")):
        command = [sys.executable, "-m", *words, "--help"]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert shown.startswith(f"Usage: {usage} ")


def test_ctrl_c_ends_with_130_and_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run", interrupted)
    assert end(capsys, "generate") == (130, "\n")


@pytest.mark.model
@pytest.mark.parametrize(("blow", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(("engine", "texts"), [("transformers", 48), ("openvino", 400)])
def test_a_stopped_run_goes_on_to_the_same_bytes(
    gpt2: Path, tmp_path: Path, blow: signal.Signals, status: int, engine: str, texts: int
) -> None:
    settings = Settings(
        model=str(gpt2),
        engine=engine,
        device="cpu",
        max_length=60,
        num_return_sequences=texts,
        batch_size=4,
    )
    values = tmp_path / "inputs"
    values.mkdir()
    for name in ("model", "engine", "device", "max_length", "num_return_sequences", "batch_size"):
        (values / name).write_text(str(getattr(settings, name)))
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    command = [*slow_job(8), "generate", "--inputs", str(values), "--output", str(stopped)]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stderr=log) as process:
        deadline = time.monotonic() + 300
        rows = stopped / outputs.ROWS
        while not (rows.exists() and rows.read_bytes().count(b"\n") >= 8):
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(blow)
        assert process.wait(timeout=300) == status
    before = rows.read_bytes().count(b"\n")
    assert 8 <= before < texts
    early = (stopped / outputs.EARLY).read_bytes() if (stopped / outputs.EARLY).exists() else b""
    said = (tmp_path / "log").read_text()
    assert "Traceback" not in said
    if blow != signal.SIGKILL:
        done = before + len(early.splitlines())
        assert said.endswith(f"stopped at {done} of {texts} texts; the same command goes on\n")
    run.run(settings, stopped)
    run.run(settings, whole)
    for name in (outputs.ROWS, outputs.TEXTS):
        assert (stopped / name).read_bytes() == (whole / name).read_bytes()
    assert json.loads((stopped / outputs.RECORD).read_text())["resumed_at"] >= before
