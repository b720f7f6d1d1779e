"""The code that a run uses where its file says `context.event.github.*`: this repository's.

Without --ref that is the working tree as it is now, uncommitted and untracked files included (but
not the ignored ones), kept for the run, so that every checkout of the run sees the same files.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from job.checkout.git import redact_url
from job.errors import CheckoutError, InputError


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """What a run runs. `tree` is git's id of all files' content; `changed` counts the files that
    differ from `commit`, which is None before a repository's first commit."""

    url: str
    commit: str | None
    tree: str
    changed: int

    def __str__(self) -> str:
        at = self.commit[:7] if self.commit else "no commit yet"
        if not self.changed:
            return f"commit {at}"
        return f"working tree at {at}, {self.changed} file{'s' if self.changed > 1 else ''} changed"


def find_root(folder: Path) -> Path | None:
    """The root of the working tree that holds `folder`, if any does."""
    found = _try("-C", str(folder), "rev-parse", "--show-toplevel")
    if found.returncode:
        if "dubious ownership" in found.stderr:
            raise InputError(
                f"{folder}: git refuses a repository of another user; "
                f"run: git config --global --add safe.directory {folder.resolve()}"
            )
        return None
    return Path(found.stdout.rstrip("\n"))


def remote_url(root: Path) -> str | None:
    """Where the repository was cloned from."""
    found = _try("-C", str(root), "remote", "get-url", "origin")
    return redact_url(found.stdout.strip()) or None


def resolve_commit(root: Path, ref: str) -> str:
    """The commit that `ref` names in the repository. Raises InputError."""
    found = _try("-C", str(root), "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if found.returncode:
        raise InputError(f"--ref {ref}: no such branch, tag or commit in {root}")
    return found.stdout.strip()


def describe_code(root: Path, at: str = "HEAD") -> CodeVersion:
    """The working tree of `root`; with another commit than HEAD, that commit as it was committed."""
    url = remote_url(root) or root.as_uri()
    found = _try("-C", str(root), "rev-parse", "--verify", "--quiet", f"{at}^{{commit}}")
    head = found.stdout.strip() or None
    if at != "HEAD":
        return CodeVersion(url, head, _git("-C", str(root), "rev-parse", f"{at}^{{tree}}").strip(), 0)
    changed = _git("-C", str(root), "ls-files", "--others", "--exclude-standard", "-z").count("\0")
    tracked = ["diff", "--name-only", "--no-renames", "-z", head] if head else ["ls-files", "-z"]
    return CodeVersion(url, head, "", changed + _git("-C", str(root), *tracked).count("\0"))


def snapshot_working_tree(root: Path, target: Path) -> CodeVersion:
    """Copy the working tree of `root` to the new folder `target`, as a repository at its commit."""
    code = describe_code(root)
    _git("init", "--quiet", str(target))
    if code.commit:
        _git("-C", str(target), "fetch", "--quiet", "--depth=1", root.as_uri(), "HEAD")
        _git("-C", str(target), "update-ref", "--no-deref", "HEAD", code.commit)
    _copy(root, target)
    _git("-C", str(target), "add", "--all", "--force")
    tree = _git("-C", str(target), "write-tree").strip()
    _git("-C", str(target), "read-tree", code.commit or "--empty")
    return replace(code, tree=tree)


def _copy(root: Path, target: Path) -> None:
    listed = _git("-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for name in dict.fromkeys(filter(None, listed.split("\0"))):
        source, copy = root / name, target / name.rstrip("/")
        if source.is_symlink() or source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy, follow_symlinks=False)
        elif source.is_dir() and (source / ".git").exists():  # a submodule, or a clone inside
            copy.mkdir(parents=True, exist_ok=True)
            _copy(source, copy)


def is_same_repository(one: str, other: str) -> bool:
    """Whether two URLs name one repository, by https or ssh, with or without `.git`."""
    return repository_key(one) == repository_key(other)


def repository_key(url: str) -> str:
    """What all spellings of a repository's URL have in common."""
    url = re.sub(r"^\w+://|^(?=[^/]+@[^/]+:)", "", url)
    return re.sub(r"^[^/]*@|\.git/?$|/$", "", url).replace(":", "/").lower()


def _git(*words: str) -> str:
    found = _try(*words)
    if found.returncode:
        raise CheckoutError(f"git: {(found.stderr.strip() or 'failed').splitlines()[-1]}")
    return found.stdout


def _try(*words: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            ["git", *_CONFIG, *words],
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
            env=_environment(os.environ),
        )
    except FileNotFoundError as error:
        raise InputError("git is not installed: install it to run a repository's workflow") from error


# Nothing of a repository's own configuration is run, and names and contents stay as they are.
_CONFIG = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.autocrlf=false")


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Without GIT_DIR and its like: this may itself be run by a git hook."""
    ours = {name: value for name, value in environ.items() if not name.startswith("GIT_")}
    kept = {name: value for name, value in environ.items() if name.startswith("GIT_CONFIG")}
    return {**ours, **kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
