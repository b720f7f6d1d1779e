"""`textgen compile`: YAML on the output, anything else elsewhere."""

import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from argo.cli import main
from argo.cli.compile import command
from job.errors import InputError, StaleError
from tests.git import committed, git

FLOW = """\
on: {github: {branches: {only: release}}}
inputs:
  seed: {type: string, with: {value: "1"}}
jobs:
  run:
    uses: script@v1
    inputs: {seed: workflow.inputs.seed}
    with: {image: python:3, script: "true"}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a remote and the workflow in it; the workflow's path."""
    folder = tmp_path / "texts" / ".gradient" / "workflows"
    folder.mkdir(parents=True)
    (folder / "flow.yaml").write_text(FLOW)
    committed(tmp_path / "texts")
    git(folder, "remote", "add", "origin", "https://git.example/team/texts.git")
    return folder / "flow.yaml"


def compile(*words: str) -> dict[str, object]:
    found = CliRunner().invoke(command, list(words), catch_exceptions=False, standalone_mode=False)
    made: dict[str, object] = yaml.safe_load(found.stdout)
    return made


def parameters(made: dict[str, object]) -> dict[str, str]:
    spec = made["spec"]
    assert isinstance(spec, dict)
    return {each["name"]: each["value"] for each in spec["arguments"]["parameters"]}


def test_a_workflow_is_pinned_to_the_repositorys_commit(repository: Path) -> None:
    made = compile(str(repository), "-p", "seed=7")
    assert parameters(made) == {
        "seed": "7",
        "github-url": "https://git.example/team/texts.git",
        "github-ref": git(repository.parent, "rev-parse", "HEAD"),
    }
    metadata = made["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["annotations"]["textgen/file"] == ".gradient/workflows/flow.yaml"


def test_a_file_that_can_not_be_written_is_one_line(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["compile", str(repository), "-o", str(tmp_path / "missing/x.yaml")])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"textgen: {tmp_path}/missing/x.yaml: No such file or directory\n"


def test_a_template_follows_the_branch_of_its_trigger(repository: Path) -> None:
    assert parameters(compile(str(repository), "--kind", "template"))["github-ref"] == "release"


def test_ci_names_the_push(repository: Path) -> None:
    found = parameters(compile(str(repository), "-p", f"github-ref={'1' * 40}"))
    assert found["github-ref"] == "1" * 40


def test_options_win_over_the_cluster_configuration(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("C4: {cpu: '6', memory: 6Gi}\n")
    (tmp_path / "cluster.yaml").write_text(
        "registry: mirror.example\ninstances: more.yaml\nparameters: {seed: '3', other: x}\nscale: 0.5\n"
    )
    given = ("--cluster", str(tmp_path / "cluster.yaml"))
    made = str(compile(str(repository), *given, "--registry", "other.example"))
    assert "other.example/python:3" in made
    assert "'memory': '3Gi'" in made
    assert parameters(compile(str(repository), *given))["seed"] == "3"
    assert parameters(compile(str(repository), *given, "-p", "seed=4"))["seed"] == "4"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-p", "sed=1"), "the workflow has no input 'sed'; did you mean 'seed'"),
        (("-p", "seed"), "write -p NAME=VALUE"),
        (("--image", "x"), "write --image NAME=IMAGE"),
        (("--check",), "--check compares with a file: name it with -o"),
        (("--scale", "0"), "--scale: must be over 0"),
        (("--kind", "cron"), "needs --schedule"),
        (("--cluster", "missing.yaml"), "missing.yaml: can't be read"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(repository: Path, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        compile(str(repository), *words)
    assert "\n" not in str(raised.value)


def test_a_commit_that_the_remote_does_not_have_is_said(repository: Path) -> None:
    clone = "{uses: git-checkout@v1, outputs: {r: {type: volume}}, with: {url: context.event.github.url}}"
    repository.write_text(f"jobs:\n  clone: {clone}\n")
    found = CliRunner().invoke(command, [str(repository)], catch_exceptions=False, standalone_mode=False)
    assert "is on no branch of the remote, as far as is known here: push it first" in found.stderr


def test_the_output_can_be_a_file(repository: Path, tmp_path: Path) -> None:
    compile(str(repository), "-o", str(tmp_path / "made.yaml"))
    assert yaml.safe_load((tmp_path / "made.yaml").read_text())["kind"] == "Workflow"


def test_a_given_url_is_the_repositorys(repository: Path) -> None:
    made = str(compile(str(repository), "-p", "github-url=https://mirror.example/team/others.git"))
    assert "git.example" not in made
    assert "'textgen/repository': 'others'" in made


def test_check_passes_what_was_just_made_in_any_clone(repository: Path, tmp_path: Path) -> None:
    words = (str(repository), "--kind", "template", "-p", "github-url=https://git.example/team/texts", "-o")
    compile(*words, str(tmp_path / "made.yaml"))
    git(repository.parent, "remote", "set-url", "origin", "git@git.example:team/texts.git")
    assert checked(*words, str(tmp_path / "made.yaml")) == ("", None)


def test_check_says_what_changed_and_how_to_make_it_anew(repository: Path, tmp_path: Path) -> None:
    target = tmp_path / "it's made.yaml"
    words = (str(repository), "--kind", "template", "-o", str(target))
    compile(*words)
    before = target.read_text()
    repository.write_text(FLOW.replace('value: "1"', 'value: "2"'))
    difference, message = checked(*words)
    assert '\n-      value: "1"\n+      value: "2"\n' in difference
    assert target.read_text() == before
    assert message
    name, _, again = message.partition(" is stale: textgen compile ")
    assert name == str(target)
    compile(*shlex.split(again))
    assert checked(*words) == ("", None)


def test_a_file_that_was_never_made_is_stale(repository: Path, tmp_path: Path) -> None:
    difference, message = checked(str(repository), "-o", str(tmp_path / "made.yaml"))
    assert "+kind: Workflow" in difference
    assert message


def checked(*words: str) -> tuple[str, str | None]:
    """What `compile --check` prints, and its complaint."""
    found = CliRunner().invoke(command, [*words, "--check"], standalone_mode=False)
    if found.exception:
        assert isinstance(found.exception, StaleError), found.exception
        assert found.exception.exit_status == 1
        return found.stdout, str(found.exception)
    return found.stdout, None
