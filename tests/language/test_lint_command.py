"""`textgen lint`: which files it takes, its three forms, its exit status."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from argo.cli import main
from argo.cli.lint import command

_GOOD = "jobs: {a: {uses: script@v1, with: {script: s, image: i}}}\n"
_WARNS = "name: x\n" + _GOOD
_BAD = "jobs: {a: {uses: script@v1, with: {script: s}, env: {}}}\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a good, a doubtful and a broken workflow, which the test stands in."""
    folder = tmp_path / ".gradient" / "workflows"
    folder.mkdir(parents=True)
    (folder / "a.yaml").write_text(_GOOD)
    (folder / "b.yml").write_text(_WARNS)
    (folder / "c.yaml").write_text(_BAD)
    (folder / "notes.txt").write_text("no workflow")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _lint(*args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(command, args, input=stdin, standalone_mode=False)


def test_without_arguments_it_checks_the_repositorys_workflows(repository: Path) -> None:
    result = _lint()
    assert result.stdout.splitlines() == [
        ".gradient/workflows/b.yml:1:1: warning unknown-key: name: the key 'name' is not allowed here; "
        "remove it: the file's name is the workflow's",
        ".gradient/workflows/c.yaml:1:29: error missing-key: jobs.a.with: 'image' is missing",
    ]
    assert result.stderr == "3 files, 1 error, 1 warning\n"
    assert result.return_value == 2


def test_warnings_alone_exit_with_0(repository: Path) -> None:
    result = _lint(".gradient/workflows/b.yml")
    assert (result.return_value, result.stderr) == (0, "1 file, 0 errors, 1 warning\n")


def test_a_folder_and_standard_input_can_be_named(repository: Path) -> None:
    assert _lint(str(repository)).stderr == _lint(".gradient/workflows").stderr
    assert _lint("-", stdin=_BAD).stdout.startswith("-:1:29: error missing-key")


def test_json_is_a_list_of_objects(repository: Path) -> None:
    result = _lint("--format", "json")
    assert json.loads(result.stdout)[1] == {
        "code": "missing-key",
        "severity": "error",
        "file": ".gradient/workflows/c.yaml",
        "line": 1,
        "column": 29,
        "key": "jobs.a.with",
        "message": "'image' is missing",
        "hint": "",
    }
    assert json.loads(_lint("-o", "json", "-", stdin=_GOOD).stdout) == []


def test_github_gets_annotations_that_no_text_can_break(repository: Path) -> None:
    (repository / "50%,a:b.yaml").write_text('jobs: {"a\\n::error::x": {}}')
    lines = _lint("-o", "github", "50%,a:b.yaml").stdout.splitlines()
    assert all(line.startswith("::error file=50%25%2Ca%3Ab.yaml,line=1,col=8,title=") for line in lines)
    assert not any(line.startswith("::error::") for line in lines)


def test_a_repository_without_workflows_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["lint"])
    assert stopped.value.code == 2
    assert "no workflow files; name one" in capsys.readouterr().err
