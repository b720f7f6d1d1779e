import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from argo.cli.dataset import command
from job.datasets import DatasetRef, Datasets
from job.errors import UnknownReferenceError
from tests.terminal import run_on_terminal
from tests.texts.conftest import Commit, row

Run = Callable[..., Result]

BEFORE = [
    row("a", "the cat sat", prompt="Tell me:"),
    row("a", "the same", 2, prompt="Tell me:"),
    row("b", "gone", prompt="First\nsecond"),
]
AFTER = [
    row("a", "the dog sat", prompt="Tell me:", finish_reason="length"),
    row("a", "the same", 2, prompt="Tell me:"),
    row("c", "new", prompt="Third"),
]


@pytest.fixture
def run(folder: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a dataset command on the store."""
    monkeypatch.setenv("TEXTGEN_STORE", folder)

    def ran(*words: object) -> Result:
        result = CliRunner().invoke(command, [str(word) for word in words])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result

    return ran


def test_each_text_is_shown_with_its_prompt_apart_and_once(run: Run, commit: Commit) -> None:
    assert run("show", commit(BEFORE), "--texts").stdout == (
        "a #1  stop, 3 new tokens\n> Tell me:\n the cat sat\n\n"
        "a #2  stop, 2 new tokens\n the same\n\n"
        "b #1  stop, 1 new token\n> First\n> second\n gone\n\n"
    )


def test_broken_rows_and_errors_are_shown_in_their_place(run: Run, commit: Commit) -> None:
    body = b"{\n" + json.dumps(row("a", "", error="out of memory", new_tokens=None)).encode()
    assert run("show", commit(body), "--texts").stdout == (
        "outputs.jsonl:1: not JSON\n\na #1  stop\n> Say:\nerror: out of memory\n \n\n"
    )


HOSTILE = "\x1b]0;title\x07 \u202e \x9b31m\rover"


@pytest.mark.parametrize("words", [["--texts"], ["--texts", "-o", "json"], ["--texts", "-o", "yaml"]])
def test_a_shown_text_can_not_control_the_terminal(run: Run, commit: Commit, words: list[str]) -> None:
    hostile = row(HOSTILE, HOSTILE, prompt=HOSTILE, finish_reason=HOSTILE, error=HOSTILE, more=HOSTILE)
    printed = run("show", commit([hostile]), *words).stdout
    assert not set("\x1b\x07\u202e\x9b\r") & set(printed)
    if words == ["--texts"]:
        assert "�]0;title� � �31m�over" in printed
    else:
        read = json.loads if words[-1] == "json" else yaml.safe_load
        assert read(printed)["texts"][0]["text"] == hostile["text"]


def test_a_difference_can_not_control_the_terminal(run: Run, commit: Commit) -> None:
    before, after = (
        [row(HOSTILE, f"{HOSTILE} {word}", prompt=f"{HOSTILE} {word}", error=f"{HOSTILE} {word}")]
        for word in "ab"
    )
    printed = run("diff", commit(before), commit(after)).stdout
    assert not set("\x1b\x07\u202e\x9b\r") & set(printed)
    assert "[- a-]{+ b+}" in printed


def test_a_line_that_is_no_row_can_not_control_the_terminal(run: Run, commit: Commit) -> None:
    version = commit([{"id": "a"}], {"state": "completed", "settings": {"prefix": HOSTILE}, "run": {}})
    for words in (["show", version, "--texts"], ["show", version, "--texts", "-o", "json"]):
        printed = run(*words).output
        assert "outputs.jsonl:1: no string" in printed
        assert not set("\x1b\x07\u202e\x9b\r") & set(printed)
    assert not set("\x1b\x07") & set(run("diff", version, commit([row()])).output)


@pytest.mark.parametrize("output", ["json", "yaml"])
@pytest.mark.parametrize("rows", [[], BEFORE])
def test_texts_for_programs(run: Run, commit: Commit, output: str, rows: list[dict[str, object]]) -> None:
    body = b"{\n" + b"".join(json.dumps(each).encode() + b"\n" for each in rows)
    version = commit(body)
    result = run("show", version, "--texts", "-o", output)
    value = json.loads(result.stdout) if output == "json" else yaml.safe_load(result.stdout)
    assert value["version"] == str(version)
    completions = [each.pop("completion") for each in value["texts"]]
    assert value["texts"] == rows
    assert completions == [str(each["text"]).removeprefix(str(each["prompt"])) for each in rows]
    assert result.stderr == "textgen: outputs.jsonl:1: not JSON\n"


@pytest.mark.parametrize("words", [["show", "--texts"], ["show", "--texts", "-o", "json"]])
def test_a_version_without_texts_is_one_line(
    run: Run, datasets: Datasets, make: Callable[..., Path], words: list[str]
) -> None:
    version = datasets.commit_version(DatasetRef("demo"), make(), lineage={})
    with pytest.raises(UnknownReferenceError, match=r"no texts in it \(no outputs.jsonl\)"):
        run(*words, version)


def test_words_that_differ_are_marked(run: Run, commit: Commit) -> None:
    old, new = (
        commit(BEFORE, {"settings": {"seed": 1}, "run": {}, "seconds": 2}),
        commit(AFTER, {"settings": {"seed": 2}, "run": {}, "seconds": 3}),
    )
    printed = run("diff", old, new).stdout
    head, _, texts = printed.partition("\ntexts\n")
    assert ["generation.seed", "1", "->", "2"] in [line.split() for line in head.splitlines()]
    assert ["seconds", "2", "->", "3"] in [line.split() for line in head.splitlines()]
    assert texts == (
        f"  1 same, 1 changed, 1 only in {old}, 1 only in {new}\n\n"
        "a #1  33% differs; stop, 3 new tokens -> length, 3 new tokens\n"
        "> Tell me:\n the[- cat-]{+ dog+} sat\n\n"
        f"b #1  only in {old}; stop, 1 new token\n> [-First\n> second-]\n[- gone-]\n\n"
        f"c #1  only in {new}; stop, 1 new token\n> {{+Third+}}\n{{+ new+}}\n\n"
    )


def test_a_prompt_that_has_moved_is_compared_with_itself(run: Run, commit: Commit) -> None:
    old, new = commit([row("p:1", "one", prompt="P")]), commit([row("p:9", "two", prompt="P")])
    assert "p:9 #1  100% differs, was p:1; " in run("diff", old, new).stdout


def test_differences_for_programs(run: Run, commit: Commit) -> None:
    old, new = commit(BEFORE), commit(AFTER)
    value = json.loads(run("diff", old, new, "-o", "json").stdout)
    assert yaml.safe_load(run("diff", old, new, "-o", "yaml").stdout) == value
    assert value["counts"] == {"same": 1, "changed": 1, "only_before": 1, "only_after": 1}
    assert [(text["kind"], text["difference"]) for text in value["texts"]] == [
        ("changed", 0.3333),
        ("only", 1.0),
        ("only", 1.0),
    ]
    changed = value["texts"][0]
    assert (changed["before"]["completion"], changed["after"]["completion"]) == (
        " the cat sat",
        " the dog sat",
    )
    assert value["texts"][1]["after"] is None
    assert json.loads(run("diff", old, old, "-o", "json").stdout) == {
        "made_by": [],
        "files": [],
        "figures": [],
    }


def test_broken_rows_are_named_on_stderr_but_not_all(run: Run, commit: Commit) -> None:
    broken, whole = commit(b"{\n" * 12), commit(AFTER)
    stderr = run("diff", broken, whole).stderr.splitlines()
    assert stderr[0] == f"textgen: {broken}: outputs.jsonl:1: not JSON"
    assert stderr[10:] == [f"textgen: {broken}: 2 more lines are no rows"]


def test_files_alone_are_compared_if_one_version_has_no_texts(
    run: Run, datasets: Datasets, commit: Commit, make: Callable[..., Path], cache: Path
) -> None:
    other = datasets.commit_version(DatasetRef("demo"), make(), lineage={})
    printed = run("diff", commit(BEFORE), other).stdout
    assert "files\n" in printed
    assert "texts\n" not in printed
    assert not cache.exists()


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["show", "--texts"], "\x1b[33m\x1b[1ma #1\x1b[0m  length, 3 new tokens"),
        (["diff", "OLD"], " the\x1b[31m\x1b[9m cat\x1b[0m\x1b[32m\x1b[29m dog\x1b[0m sat"),
    ],
    ids=["show", "diff"],
)
def test_a_terminal_gets_colours_in_the_users_pager(
    commit: Commit, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], shown: str
) -> None:
    old, new = str(commit(BEFORE)), str(commit(AFTER))
    command = [
        sys.executable,
        "-m",
        "argo",
        "dataset",
        *(old if word == "OLD" else word for word in words),
        new,
    ]
    environment = {"TEXTGEN_STORE": folder, "PAGER": "less"}
    monkeypatch.delenv("LESS", raising=False)
    assert shown in run_on_terminal(command, tmp_path, environment)
    marked = tmp_path / "pager"
    marked.write_text("#!/bin/sh\nsed 's/^/| /'\n")
    marked.chmod(0o755)
    printed = run_on_terminal(command, tmp_path, {**environment, "PAGER": str(marked)})
    assert "\n| > Tell me:\n" in printed
