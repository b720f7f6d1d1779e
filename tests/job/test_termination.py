"""What a container says of its end, in the file that Kubernetes reads."""

from pathlib import Path

import pytest

from job import termination
from job.__main__ import main
from job.termination import report_message


@pytest.fixture
def message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file as the kubelet makes it."""
    path = tmp_path / "termination-log"
    path.write_text("of an earlier end, which is longer")
    monkeypatch.setattr(termination, "_MESSAGE", path)
    return path


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["generate", "--seed", "x"], "--seed: seed must be an integer, not 'x'"),
        (["plan", "--shards", "2", "--seed", "x", "{}/plan"], "--seed: seed must be an integer, not 'x'"),
        (["shard", "--output", "{}/texts", "{}"], "{}/shard.json: can't be read"),
    ],
    ids=["generate", "plan", "shard"],
)
def test_a_command_that_fails_says_why(
    message: Path, tmp_path: Path, arguments: list[str], line: str
) -> None:
    with pytest.raises(SystemExit):
        main([each.format(tmp_path) for each in arguments])
    assert message.read_text().startswith(line.format(tmp_path))


def test_the_message_can_always_be_written_and_kept(message: Path) -> None:
    report_message("\udcff\x1b[2J" + "x" * 5000)
    assert message.read_text() == f"��[2J{'x' * 494}…"


def test_a_machine_has_no_such_file(message: Path) -> None:
    message.unlink()
    report_message("no")
    assert not message.exists()
