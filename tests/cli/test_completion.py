"""Tab in real shells: what is typed becomes what was meant, and nothing is printed of what goes wrong."""

import os
import pty
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from argo.local.run_folder import Run
from argo.runs import JobRecord, RunRecord, now
from job.datasets import DatasetRef, Datasets
from job.generate.run import command as generate

PROGRAMS = Path(sys.executable).parent
# With more time for an answer: the machine may be busy with other tests.
_PATIENT = "from argo.cli import completion, main; completion._TIMEOUT = 300; main()"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project with a run, and a store with a dataset of one version, with a tag; and a patient textgen."""
    program = tmp_path / ".bin/textgen"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{_PATIENT}\n")
    program.chmod(0o700)
    folder = tmp_path / ".textgen/runs/my-run-x7k2p"
    folder.mkdir(parents=True)
    jobs = {"generate": JobRecord(), "evaluate": JobRecord()}
    Run(folder, RunRecord("my-run-x7k2p", "", "", "host", "", {}, now(), jobs))
    (tmp_path / "made").mkdir()
    (tmp_path / "made/a.txt").write_text("a")
    datasets = Datasets.at((tmp_path / ".textgen/datasets").as_uri())
    version = datasets.commit_version(DatasetRef("answers"), tmp_path / "made", lineage={})
    datasets.tag(version, "old")  # no id begins with an o
    datasets.commit_version(DatasetRef("letters"), tmp_path / "made", lineage={})
    datasets.commit_version(DatasetRef("lists", namespace="team"), tmp_path / "made", lineage={})
    return tmp_path


def environment(home: Path) -> dict[str, str]:
    return {
        "PATH": f"{home}/.bin:{PROGRAMS}:{os.environ['PATH']}",
        "HOME": str(home),
        "TERM": "xterm",
        "KUBECONFIG": "/dev/null",
        "LC_ALL": "C.UTF-8",
    }


class Terminal:
    """An interactive shell on a terminal."""

    def __init__(self, words: Sequence[str], home: Path) -> None:
        self._ours, theirs = pty.openpty()
        self._shell = subprocess.Popen(
            words,
            cwd=home,
            env=environment(home),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def read_until(self, pattern: str) -> str:
        """What the pattern's group matches in what is printed from now on."""
        printed = ""
        while not (found := re.search(pattern, printed)):
            assert select.select([self._ours], [], [], 60)[0], printed
            printed += os.read(self._ours, 4096).decode(errors="replace")
        return found[1]

    def close(self) -> None:
        os.close(self._ours)  # hangs up
        self._shell.kill()
        self._shell.wait()


SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], ""),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -D; "),
}


def press_tab(shell: str, home: Path, lines: Sequence[str]) -> Iterator[str]:
    """What each line is after Tab."""
    words, setup = SHELLS[shell]
    terminal = Terminal(words, home)
    try:
        terminal.type(f"{setup}source <(textgen completion {shell}); echo rea''dy\n")
        terminal.read_until("[\r\n](ready)")
        for line in lines:
            terminal.type(f"{line}\t END\x01echo START \n")  # Ctrl-A: to the start of the line
            yield terminal.read_until(r"[\r\n]START (.*?) *END\r?\n")
    finally:
        terminal.close()


def complete_in_fish(home: Path, line: str) -> str:
    """The line with what fish, which can be asked without a terminal, would put there."""
    script = f"textgen completion fish | source; complete --do-complete '{line}'"
    command = ["fish", "--no-config", "-c", script]
    done = subprocess.run(
        command, cwd=home, env=environment(home), capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    words = [found.partition("\t")[0] for found in done.stdout.splitlines()]
    common = os.path.commonprefix(words)  # noqa: RUF071
    return f"{line.rpartition(' ')[0]} {common}" if common else line


LINES = {
    "textgen datas": "textgen dataset",
    "textgen dataset sho": "textgen dataset show",
    "textgen list --con": "textgen list --context",
    "textgen get my": "textgen get my-run-x7k2p",
    "textgen logs my-run-x7k2p gen": "textgen logs my-run-x7k2p generate",
    "textgen view my": "textgen view my-run-x7k2p",
    "textgen view let": "textgen view letters",
    "textgen view answers:o": "textgen view answers:old",
    "textgen dataset versions let": "textgen dataset versions letters",
    "textgen dataset show team/l": "textgen dataset show team/lists",
    "textgen dataset show answers:o": "textgen dataset show answers:old",
    "textgen dataset diff letters answers:o": "textgen dataset diff letters answers:old",
    "textgen dataset get answers:old ma": "textgen dataset get answers:old made",
    "textgen generate --batch": "textgen generate --batch-size",
    "textgen generate --engine op": "textgen generate --engine openvino",
    "textgen generate --engine echo --prompts ma": "textgen generate --engine echo --prompts made",
    "textgen get nothing-like-it": "textgen get nothing-like-it",
}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_tab_completes_commands_runs_jobs_datasets_and_versions(shell: str, home: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} on this machine")
    if shell == "fish":
        completed = {line: complete_in_fish(home, line) for line in LINES}
    else:
        completed = dict(zip(LINES, press_tab(shell, home, list(LINES)), strict=True))
    assert {line: word.rstrip("/ ") for line, word in completed.items()} == LINES


@pytest.mark.parametrize("shell", SHELLS)
def test_a_completed_name_is_no_command(shell: str, home: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} on this machine")
    name = "zoo$(touch hacked)"
    shutil.copytree(home / ".textgen/runs/my-run-x7k2p", home / ".textgen/runs" / name)
    (line,) = press_tab(shell, home, ["textgen get zo"])
    assert line.rstrip() == f"textgen get {name}"
    assert not (home / "hacked").exists()


def ask(
    home: Path, line: str, program: Path | None = None, /, **variables: str
) -> subprocess.CompletedProcess[str]:
    """What textgen answers to bash."""
    return subprocess.run(
        [program or home / ".bin/textgen"],
        cwd=home,
        env={**environment(home), "COMP_LINE": line, "_TEXTGEN_COMPLETE": "bash_complete", **variables},
        capture_output=True,
        text=True,
        check=True,
    )


def test_the_options_of_generate_are_those_that_it_has(home: Path) -> None:
    options = {name for param in generate.params for name in param.opts}
    assert set(ask(home, "textgen generate --").stdout.split()) == {f"plain,{name}" for name in options}


def test_a_version_is_named_by_its_tags_and_its_id(home: Path) -> None:
    dataset, tag, version = ask(home, "textgen dataset show ans").stdout.split()
    assert (dataset, tag) == ("plain,answers", "plain,answers:old")
    assert re.fullmatch(r"plain,answers:\w{12}", version)


def test_runs_are_newest_first(home: Path) -> None:
    old = home / ".textgen/runs/my-run-old"
    shutil.copytree(home / ".textgen/runs/my-run-x7k2p", old)
    os.utime(old / "run.json", (1, 1))
    assert ask(home, "textgen get my").stdout.split() == ["plain,my-run-x7k2p", "plain,my-run-old"]


def test_runs_are_named_also_if_the_store_is_away(home: Path) -> None:
    store = "s3://b?endpoint=http://127.0.0.1:9"
    assert ask(home, "textgen view ", TEXTGEN_STORE=store).stdout == "plain,my-run-x7k2p\n"


@pytest.mark.parametrize(
    ("line", "variables"),
    [
        ("textgen logs gone ", {}),
        ("textgen dataset show ", {"TEXTGEN_STORE": "ftp://x"}),
        ("textgen dataset show ", {"TEXTGEN_STORE": "s3://b?endpoint=http://127.0.0.1:9"}),
        ("textgen dataset show nothing:", {}),
        ("textgen get -n here ", {"KUBECONFIG": "/nothing"}),
        ("textgen view -n here ", {"KUBECONFIG": "/nothing", "TEXTGEN_STORE": "file:///nothing"}),
    ],
)
def test_what_goes_wrong_is_not_printed(home: Path, line: str, variables: dict[str, str]) -> None:
    done = ask(home, line, **variables)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_a_store_that_does_not_answer_is_not_waited_for(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        started = time.monotonic()
        store = f"s3://b?endpoint=http://127.0.0.1:{server.getsockname()[1]}"
        keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        program = PROGRAMS / "textgen"
        assert ask(home, "textgen dataset show ", program, TEXTGEN_STORE=store, **keys).stdout == ""
        assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    "line",
    [
        *("textgen ", "textgen dataset show ", "textgen list --", "textgen logs ", "textgen view "),
        *("textgen generate --", "textgen generate --dtype "),
    ],
)
def test_an_answer_imports_nothing_slow(home: Path, line: str) -> None:
    code = (
        "import atexit, sys; out = sys.stdout\n"
        "slow = {'kubernetes', 'hera', 'boto3', 'obstore', 'rich', 'rapidfuzz', 'pydantic', 'torch'}\n"
        "slow |= {'asyncio', 'ssl', 'tenacity', 'yaml'}\n"
        "atexit.register(lambda: print(sorted(slow & set(sys.modules)), file=out))\n" + _PATIENT
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=home,
        env={**environment(home), "COMP_LINE": line, "_TEXTGEN_COMPLETE": "bash_complete"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "plain," in done.stdout
