"""A repository that somebody else made, with its `.git` and `.textgen`, changes and runs nothing outside."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from argo.repository import describe_code, find_root, runs_commands_to_fetch, snapshot_working_tree
from job.errors import CheckoutError, InputError
from tests.git import add_submodule, git
from tests.local.conftest import Repository, script, workflow


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """A file that only a command of the repository makes."""
    return tmp_path / "ran"


def _set_filter(repository: Path, ran: Path, name: str = "own", key: str = "clean") -> None:
    git(repository, "config", f"filter.{name}.{key}", f"touch {ran}; cat")
    git(repository, "config", f"filter.{name}.required", "true")


def _touch(file: Path) -> None:
    """Make git read the file again."""
    text = file.read_text()
    file.unlink()
    file.write_text(text)


def test_a_bare_repository_among_the_files_is_none(repository: Repository, ran: Path) -> None:
    folder = repository.root / ".gradient/workflows"
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet")
    (folder / "x").write_text("x")
    (folder / ".gitattributes").write_text("x filter=own\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=x")
    git(folder, "config", "core.worktree", ".")
    _set_filter(folder, ran)
    for path in (folder / ".git").iterdir():
        shutil.move(path, folder / path.name)
    (folder / ".git").rmdir()
    _touch(folder / "x")
    with pytest.raises(InputError, match=r"workflows: it looks like a bare git repository"):
        find_root(folder)


@pytest.mark.parametrize("key", ["clean", "process"])
@pytest.mark.parametrize("name", ["own", "lfs"])
def test_a_filter_of_the_repository_is_not_run(
    repository: Repository, ran: Path, name: str, key: str
) -> None:
    repository.write("file", "x")
    repository.write(".gitattributes", f"file filter={name}\n")
    commit = repository.commit()
    _set_filter(repository.root, ran, name, key)
    _touch(repository.root / "file")
    code = snapshot_working_tree(repository.root, repository.root.parent / "copy")
    assert (code.commit, code.changed) == (commit, 0)
    assert not ran.exists()


def test_a_filter_of_a_submodule_is_not_run(
    repository: Repository, ran: Path, make_repository: type[Repository]
) -> None:
    other = make_repository("other")  # type: ignore[arg-type]
    other.write("file", "x")
    other.write(".gitattributes", "file filter=own\n")
    other.commit()
    add_submodule(repository.root, str(other.root), "sub")
    repository.commit()
    _set_filter(repository.root / "sub", ran)
    _touch(repository.root / "sub/file")
    assert describe_code(repository.root).changed == 0
    assert not ran.exists()


def test_a_filter_of_the_user_is_run(
    repository: Repository, ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write("file", "x")
    repository.write(".gitattributes", "file filter=own\n")
    repository.commit()
    config = tmp_path / "gitconfig"
    git(repository.root, "config", f"--file={config}", "filter.own.clean", f"touch {ran}; cat")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    _touch(repository.root / "file")
    assert describe_code(repository.root).changed == 0
    assert ran.exists()


@pytest.mark.skipif(not shutil.which("git-lfs"), reason="needs git-lfs")
def test_git_lfs_installed_in_the_repository_is_run(repository: Repository) -> None:
    git(repository.root, "lfs", "install", "--local", "--skip-repo")
    repository.write(".gitattributes", "*.bin filter=lfs -text\n")
    repository.write("a.bin", "large")
    repository.commit()
    _touch(repository.root / "a.bin")
    assert describe_code(repository.root).changed == 0


@pytest.mark.parametrize("is_repository", [False, True])
def test_another_folder_is_not_the_working_tree(repository: Repository, is_repository: bool) -> None:
    if is_repository:
        git(repository.root.parent, "init", "--quiet")
    git(repository.root, "config", "core.worktree", str(repository.root.parent))
    with pytest.raises(InputError, match=r"/\.git: its core\.worktree says"):
        find_root(repository.root)


@pytest.mark.parametrize("name", ["../secret", ".git/config", "sub/.GIT/config"])
def test_an_index_names_files_of_the_working_tree_only(repository: Repository, name: str) -> None:
    repository.write("a" * len(name), "x")
    repository.commit()
    index = repository.root / ".git/index"
    index.write_bytes(index.read_bytes()[:-20].replace(b"a" * len(name), name.encode()) + bytes(20))
    with pytest.raises(CheckoutError, match="its index names"):
        snapshot_working_tree(repository.root, repository.root.parent / "copy")


def test_a_file_behind_a_link_is_not_copied(repository: Repository, tmp_path: Path) -> None:
    repository.write("folder/secret", "x")
    repository.commit()
    shutil.move(repository.root / "folder", tmp_path / "home")
    (repository.root / "folder").symlink_to(tmp_path / "home")
    snapshot_working_tree(repository.root, tmp_path / "copy")
    assert (tmp_path / "copy/folder").is_symlink()
    assert (tmp_path / "home/secret").read_text() == "x"


@pytest.mark.parametrize("folder", ["own", "hooks"])
def test_a_fetch_runs_no_hook_of_the_repository(repository: Repository, folder: str) -> None:
    if folder == "own":
        git(repository.root, "config", "core.hooksPath", ".git/own")
    assert not runs_commands_to_fetch(repository.root)
    repository.write(f".git/{folder}/pre-auto-gc", "#!/bin/sh")
    assert runs_commands_to_fetch(repository.root)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("core.sshCommand", "x"),
        ("remote.origin.uploadpack", "x"),
        ("credential.https://a.helper", "!x"),
        ("protocol.ext.allow", "always"),
    ],
)
def test_a_fetch_runs_no_command_of_the_repository(repository: Repository, key: str, value: str) -> None:
    assert not runs_commands_to_fetch(repository.root)
    git(repository.root, "config", key, value)
    assert runs_commands_to_fetch(repository.root)


FAILS = workflow(job=script("exit 1"))


def _run_commands(repository: Repository) -> Iterator[str]:
    """What each command that opens the project's folder says."""
    file = str(repository.root / "work.yaml")
    for words in (["run", file], ["list"], ["retry", "x"], ["stop", "x"], ["logs", "x"], ["dataset", "list"]):
        done = repository.textgen(*words)
        assert done.returncode == 2, words
        yield done.stderr


@pytest.mark.parametrize(
    "name",
    [
        ".textgen",
        ".textgen/runs",
        ".textgen/storage",
        ".textgen/cache",
        ".textgen/cache/textgen",
        ".textgen/datasets",
        ".textgen/runs/x",
        ".textgen/runs/x/jobs",
        ".textgen/runs/x/jobs/job",
        ".textgen/runs/x/jobs/job/outputs",
        ".textgen/runs/x/volumes/v",
    ],
)
def test_a_link_in_the_projects_folder_is_followed_by_no_command(
    repository: Repository, tmp_path: Path, name: str
) -> None:
    repository.write("work.yaml", FAILS)
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o755)
    link = repository.root / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(victim)
    message = f"textgen: {link}: it is a link, and textgen follows none there; delete it\n"
    assert set(_run_commands(repository)) == {message}
    assert (victim.stat().st_mode & 0o777, list(victim.iterdir())) == (0o755, [])


def test_a_projects_folder_that_git_tracks_is_used_by_no_command(repository: Repository) -> None:
    repository.write("work.yaml", FAILS)
    repository.write(".textgen/storage/file", "x")
    repository.commit()
    home = repository.root / ".textgen"
    (message,) = set(_run_commands(repository))
    assert message.startswith(
        f"textgen: {home}: git tracks it, so that somebody else may have made it; run: "
    )
    subprocess.run(message.partition("run: ")[2].split(), cwd=repository.root, check=True)
    assert repository.textgen("run", "work.yaml").returncode == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_projects_folder_of_another_user_is_used_by_nobody_but_who_calls_sudo(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write("work.yaml", FAILS)
    home = repository.root / ".textgen"
    home.mkdir()
    os.chown(home, 12345, 12345)
    message = f"textgen: {home}: it is another user's; delete it, or run textgen as that user\n"
    assert set(_run_commands(repository)) == {message}
    monkeypatch.setenv("SUDO_UID", "12345")
    assert repository.textgen("list").returncode == 0


def test_the_projects_folder_is_ignored_by_git_whatever_was_there(repository: Repository) -> None:
    repository.write(".textgen/.gitignore", "!*\n")
    repository.run(FAILS)
    assert (repository.root / ".textgen/.gitignore").read_text() == "*\n"


def test_a_retry_takes_no_variable_that_its_caller_does_not_name(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "12345")
    text = workflow(job=script('echo "got ${MY_TOKEN:-nothing}"; exit 1'))
    outcome = repository.run(text)
    name = outcome.record.name
    plan = outcome.folder / "plan.json"
    assert '"env": []' in plan.read_text()
    plan.write_text(plan.read_text().replace('"env": []', '"env": ["MY_TOKEN"]'))
    done = repository.textgen("retry", name)
    message = f"textgen: {name} was run with --env MY_TOKEN: give it again\n"
    assert (done.returncode, done.stderr) == (2, message)
    done = repository.textgen("retry", name, "--env", "MY_TOKEN")
    assert "got 12345" in done.stdout
    assert f"textgen retry {name} --env MY_TOKEN\n" in done.stdout
