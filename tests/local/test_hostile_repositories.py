"""A repository that somebody else made, with all that is in its `.git`, runs nothing outside of its jobs."""

import shutil
from pathlib import Path

import pytest

from argo.repository import describe_code, find_root, runs_commands_to_fetch, snapshot_working_tree
from job.errors import CheckoutError, InputError
from tests.git import git
from tests.local.conftest import Repository


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
    add = ("-c", "protocol.file.allow=always", "submodule", "add", "--quiet")
    git(repository.root, *add, str(other.root), "sub")
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


def test_another_folder_is_not_the_working_tree(repository: Repository) -> None:
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
