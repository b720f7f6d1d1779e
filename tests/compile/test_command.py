"""`textgen compile`: YAML on the output, anything else elsewhere."""

import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from argo.cli import main
from argo.cli.compile import command
from argo.repository import repository_name
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


def compile_document(*words: str) -> dict[str, object]:
    """What `textgen compile` prints, read."""
    result = CliRunner().invoke(command, list(words), catch_exceptions=False, standalone_mode=False)
    document: dict[str, object] = yaml.safe_load(result.stdout)
    return document


def parameters(document: dict[str, object]) -> dict[str, str]:
    spec = document["spec"]
    assert isinstance(spec, dict)
    return {each["name"]: each["value"] for each in spec["arguments"]["parameters"]}


def test_a_workflow_is_pinned_to_the_repositorys_commit(repository: Path) -> None:
    document = compile_document(str(repository), "-p", "seed=7")
    assert parameters(document) == {
        "seed": "7",
        "github-url": "https://git.example/team/texts.git",
        "github-ref": git(repository.parent, "rev-parse", "HEAD"),
    }
    metadata = document["metadata"]
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
    assert parameters(compile_document(str(repository), "--kind", "template"))["github-ref"] == "release"


def test_ci_names_the_push(repository: Path) -> None:
    document = compile_document(str(repository), "-p", f"github-ref={'1' * 40}")
    assert parameters(document)["github-ref"] == "1" * 40


def test_options_win_over_the_cluster_configuration(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("C4: {cpu: '6', memory: 6Gi}\n")
    (tmp_path / "cluster.yaml").write_text(
        "registry: mirror.example\ninstances: more.yaml\nparameters: {seed: '3', other: x}\nscale: 0.5\n"
    )
    options = ("--cluster", str(tmp_path / "cluster.yaml"))
    text = str(compile_document(str(repository), *options, "--registry", "other.example"))
    assert "other.example/python:3" in text
    assert "'memory': '3Gi'" in text
    assert parameters(compile_document(str(repository), *options))["seed"] == "3"
    assert parameters(compile_document(str(repository), *options, "-p", "seed=4"))["seed"] == "4"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-p", "sed=1"), "the workflow has no input 'sed'; did you mean 'seed'"),
        (("-p", "seed"), "write -p NAME=VALUE"),
        (("--image", "x"), "write --image NAME=IMAGE"),
        (("--check",), "--check needs a file to compare with: give -o FILE"),
        (("--scale", "0"), "--scale: must be over 0"),
        (("--kind", "cron"), "needs --schedule"),
        (("--cluster", "missing.yaml"), "missing.yaml: can't be read"),
    ],
)
def test_what_is_wrong_is_one_line(repository: Path, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        compile_document(str(repository), *words)
    assert "\n" not in str(raised.value)


def test_a_commit_that_the_remote_lacks_is_a_warning(repository: Path) -> None:
    clone = "{uses: git-checkout@v1, outputs: {r: {type: volume}}, with: {url: context.event.github.url}}"
    repository.write_text(f"jobs:\n  clone: {clone}\n")
    result = CliRunner().invoke(command, [str(repository)], catch_exceptions=False, standalone_mode=False)
    assert "is on no branch of the remote, as far as is known here: push it first" in result.stderr


def test_the_output_can_be_a_file(repository: Path, tmp_path: Path) -> None:
    compile_document(str(repository), "-o", str(tmp_path / "run.yaml"))
    assert yaml.safe_load((tmp_path / "run.yaml").read_text())["kind"] == "Workflow"


def test_a_url_on_the_command_line_is_the_repositorys(repository: Path) -> None:
    text = str(compile_document(str(repository), "-p", "github-url=https://mirror.example/team/others.git"))
    assert "git.example" not in text
    assert "'textgen/repository': 'others'" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("github-url=ext::sh -c x",), "-p github-url: 'ext::sh -c x' is not an https, ssh, git or file URL"),
        (("github-url=https://me:pass@x y",), "-p github-url: 'https://x y' is not"),
        (("github-ref=+main",), "-p github-ref: '+main' is not the name of a branch, tag or commit"),
        (("github-ref=a.lock/b",), "-p github-ref: 'a.lock/b' is not"),
    ],
)
def test_what_git_does_not_take_is_refused_as_the_job_would(
    repository: Path, words: tuple[str, ...], message: str
) -> None:
    options = [option for word in words for option in ("-p", word)]
    with pytest.raises(InputError) as caught:
        compile_document(str(repository), *options)
    assert message in str(caught.value)


def test_a_remote_that_no_job_can_clone_is_a_warning(repository: Path) -> None:
    clone = "{uses: git-checkout@v1, outputs: {r: {type: volume}}, with: {url: context.event.github.url}}"
    repository.write_text(f"jobs:\n  clone: {clone}\n")
    git(repository.parent, "remote", "set-url", "origin", "ftp://git.example/team/texts.git")
    result = CliRunner().invoke(command, [str(repository)], catch_exceptions=False, standalone_mode=False)
    warning = "no job can check out ftp://git.example/team/texts.git: submit with -p github-url=URL"
    assert warning in result.stderr


def test_a_branch_that_begins_like_an_option_goes_by_its_full_name(repository: Path) -> None:
    repository.write_text(FLOW.replace("release", "-x"))
    document = compile_document(str(repository), "--kind", "template", "-p", "seed=7")
    assert parameters(document)["github-ref"] == "refs/heads/-x"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/kubernetes/kubernetes.github.io", "kubernetes.github.io"),
        ("https://git.example/team/texts.git/", "texts"),
        ("git@git.example:texts.git", "texts"),
        ("", ""),
    ],
)
def test_a_repositorys_name_keeps_its_dots(url: str, name: str) -> None:
    assert repository_name(url) == name


def test_check_passes_in_any_clone(repository: Path, tmp_path: Path) -> None:
    words = (str(repository), "--kind", "template", "-p", "github-url=https://git.example/team/texts", "-o")
    compile_document(*words, str(tmp_path / "run.yaml"))
    git(repository.parent, "remote", "set-url", "origin", "git@git.example:team/texts.git")
    assert run_check(*words, str(tmp_path / "run.yaml")) == ("", None)


def test_check_says_what_changed_and_how_to_compile_again(repository: Path, tmp_path: Path) -> None:
    target = tmp_path / "it's run.yaml"
    words = (str(repository), "--kind", "template", "-o", str(target))
    compile_document(*words)
    before = target.read_text()
    repository.write_text(FLOW.replace('value: "1"', 'value: "2"'))
    difference, message = run_check(*words)
    assert '\n-      value: "1"\n+      value: "2"\n' in difference
    assert target.read_text() == before
    assert message
    name, _, again = message.partition(" is stale: textgen compile ")
    assert name == str(target)
    compile_document(*shlex.split(again))
    assert run_check(*words) == ("", None)


def test_a_file_that_does_not_exist_is_stale(repository: Path, tmp_path: Path) -> None:
    difference, message = run_check(str(repository), "-o", str(tmp_path / "run.yaml"))
    assert "+kind: Workflow" in difference
    assert message


def run_check(*words: str) -> tuple[str, str | None]:
    """What `compile --check` prints, and its complaint."""
    result = CliRunner().invoke(command, [*words, "--check"], standalone_mode=False)
    if result.exception:
        assert isinstance(result.exception, StaleError), result.exception
        assert result.exception.exit_status == 1
        return result.stdout, str(result.exception)
    return result.stdout, None
