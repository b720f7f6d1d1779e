"""The repository that holds a workflow file, which is the code for `context.event.github.*` in it.

Without --ref that code is the working tree as it is now, with uncommitted and untracked files (but
not the ignored ones), copied for the run, so that every checkout of the run sees the same files.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from job.checkout.git import Git, build_env, is_commit, redact_url
from job.errors import CheckoutError, InputError
from job.text import counted


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """The code of a run. `tree` is git's id of all files' content; `changed` counts the files that
    differ from `commit`, which is None before a repository's first commit."""

    url: str
    commit: str | None
    tree: str
    changed: int

    def __str__(self) -> str:
        commit = self.commit[:7] if self.commit else "no commit yet"
        if not self.changed:
            return f"commit {commit}"
        return f"working tree at {commit}, {counted(self.changed, 'file')} changed"


def find_root(folder: Path) -> Path | None:
    """The root of the working tree that holds `folder`, if any does.

    Raises InputError if git is not installed, or refuses the repository as another user's.
    """
    result = _attempt(folder, "rev-parse", "--show-toplevel")
    if result.returncode:
        if "dubious ownership" in result.stderr:
            raise InputError(
                f"{folder}: git refuses a repository of another user; "
                f"run: git config --global --add safe.directory {folder.resolve()}"
            )
        return None
    return Path(result.stdout.rstrip("\n"))


def remote_url(root: Path) -> str | None:
    """The URL that the repository was cloned from, without a password."""
    return redact_url(_attempt(root, "remote", "get-url", "origin").stdout.strip()) or None


def resolve_commit(root: Path, ref: str) -> str:
    """The commit that `ref` names in the repository: a branch's before a tag's. Raises InputError."""
    # `git rev-parse` alone takes the tag, `git checkout` the branch
    for name in (ref,) if is_commit(ref) else (f"refs/heads/{ref}", ref):
        result = _attempt(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if result.returncode == 0:
            return result.stdout.strip()
    raise InputError(f"--ref {ref}: no such branch, tag or commit in {root}")


def is_pushed(folder: Path, commit: str) -> bool:
    """Whether a branch of a remote holds the commit, as far as the clone knows."""
    result = _attempt(folder, "branch", "--remotes", "--contains", commit)
    return result.returncode != 0 or bool(result.stdout.strip())


def describe_code(root: Path, ref: str = "HEAD") -> CodeVersion:
    """The working tree of `root`; with another `ref` than HEAD, that commit as it was committed."""
    url = remote_url(root) or root.as_uri()
    commit = _attempt(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").stdout.strip() or None
    if ref != "HEAD":
        return CodeVersion(url, commit, _git(root, "rev-parse", f"{ref}^{{tree}}").strip(), 0)
    changed = _list_files(root, "ls-files", "--others", "--exclude-standard")
    if commit:
        changed += _list_files(root, "diff", "--name-only", "--no-renames", commit)
    else:
        changed += _list_files(root, "ls-files")
    return CodeVersion(url, commit, "", len(changed))


def snapshot_working_tree(root: Path, target: Path) -> CodeVersion:
    """Copy the working tree of `root` to the new folder `target`, as a repository at its commit."""
    code = describe_code(root)
    _git(root, "init", "--quiet", str(target))
    if code.commit:
        _git(target, "fetch", "--quiet", "--depth=1", root.as_uri(), "HEAD")
        _git(target, "update-ref", "--no-deref", "HEAD", code.commit)
    _copy_files(root, target)
    _git(target, "add", "--all", "--force")
    tree = _git(target, "write-tree").strip()
    _git(target, "read-tree", code.commit or "--empty")
    return replace(code, tree=tree)


def _copy_files(root: Path, target: Path) -> None:
    for name in dict.fromkeys(_list_files(root, "ls-files", "--cached", "--others", "--exclude-standard")):
        source, copy = root / name, target / name.rstrip("/")
        if source.is_symlink() or source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy, follow_symlinks=False)
        elif source.is_dir() and (source / ".git").exists():  # a submodule, or a clone inside
            copy.mkdir(parents=True, exist_ok=True)
            _copy_files(source, copy)


def is_same_repository(one: str, other: str) -> bool:
    """Whether two URLs name one repository, by https or ssh, with or without `.git`."""
    return repository_key(one) == repository_key(other)


def repository_key(url: str) -> str:
    """What all spellings of a repository's URL have in common."""
    url = re.sub(r"^\w+://|^(?=[^/]+@[^/]+:)", "", url)
    return re.sub(r"^[^/]*@|\.git/?$|/$", "", url).replace(":", "/").lower()


def _list_files(root: Path, command: str, *options: str) -> list[str]:
    return _git(root, command, "-z", *options).split("\0")[:-1]


def _git(folder: Path, *words: str) -> str:
    """What a command prints. Raises CheckoutError."""
    result = _attempt(folder, *words)
    if result.returncode:
        raise CheckoutError(f"git: {(result.stderr.strip() or 'failed').splitlines()[-1]}")
    return result.stdout


def _attempt(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    # without GIT_DIR and its like: a git hook may run this
    environ = {name: value for name, value in os.environ.items() if not re.match("GIT_(?!CONFIG)", name)}
    env = build_env(environ, [("core.autocrlf", "false")])
    result = Git(folder, env).attempt_bytes(*words)
    texts = [os.fsdecode(output) for output in (result.stdout, result.stderr)]
    return subprocess.CompletedProcess(result.args, result.returncode, *texts)
