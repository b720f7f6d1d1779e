"""The repository that holds a workflow file, which is the code for `context.event.github.*` in it.

Without --ref that code is the working tree as it is now, with uncommitted and untracked files (but
not the ignored ones), copied for the run, so that every checkout of the run sees the same files.

Somebody else may have made the repository, with all that is in its `.git`: none of its commands is run.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from job.checkout.git import HEADS, Git, build_env, is_commit, is_lfs_pointer, redact_url
from job.errors import CheckoutError, InputError
from job.text import counted, listed, quoted, visible

# Whatever git's own configuration says of it.
_DIFF = ("diff", "--name-only", "--no-renames", "--ignore-submodules=none")
# Of a partial clone, which has not the files that its working tree lacks.
_FILTER = ("--filter=blob:none", "--upload-pack=git -c uploadpack.allowFilter=true upload-pack")
_SUBMODULE = "160000"  # its mode in the index
# git takes any folder that looks like a bare repository for one, also a folder of a commit.
_CONFIG = (("core.autocrlf", "false"), ("safe.bareRepository", "explicit"))
_FILTER_COMMAND = re.compile(r"((?:filter|lfs\.extension)\..*)\.(?:clean|smudge|process)", re.DOTALL)
_LFS_COMMAND = re.compile(r"git-lfs (?:clean|smudge|filter-process)(?: --skip)?(?: -- %f)?")
_FETCH_COMMAND = re.compile(
    r"core\.(?:sshcommand|gitproxy|askpass|alternaterefscommand)|credential\..*|protocol\..*|url\..*"
    r"|remote\..*\.(?:uploadpack|vcs|proxy)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class MissingFiles:
    """What the commit has and its working tree does not: the number of files that a sparse checkout leaves
    out, the paths of submodules, the number of Git LFS files of which only the pointer is there."""

    sparse_files: int = 0
    submodules: tuple[str, ...] = ()
    lfs_files: int = 0

    def describe(self) -> Iterator[tuple[str, str]]:
        """For each kind that is missing, how many or which, and the command of git that brings them."""
        if self.sparse_files:
            files = counted(self.sparse_files, "file")
            yield f"{files} left out by git sparse-checkout", "git sparse-checkout disable"
        if self.submodules:
            noun = "submodules" if len(self.submodules) > 1 else "submodule"
            names = visible(listed(self.submodules))
            yield f"{noun} {names} not checked out", "git submodule update --init --recursive"
        if self.lfs_files:
            yield f"{counted(self.lfs_files, 'file')} of Git LFS only a pointer", "git lfs pull"

    def to_json(self) -> dict[str, object]:
        """Only the kinds that are missing."""
        kinds = {
            "sparse_files": self.sparse_files,
            "submodules": list(self.submodules),
            "lfs_files": self.lfs_files,
        }
        return {name: value for name, value in kinds.items() if value}


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """The code of a run. `tree` is git's id of all files' content; `changed` counts the files that
    differ from `commit`, which is None before a repository's first commit."""

    url: str
    commit: str | None
    tree: str
    changed: int
    missing: MissingFiles = MissingFiles()

    @property
    def dirty(self) -> bool:
        """Whether a checkout of `commit` would have other files."""
        return self.changed > 0 or self.missing != MissingFiles()

    def __str__(self) -> str:
        commit = self.commit[:7] if self.commit else "no commit yet"
        if not self.dirty:
            return f"commit {commit}"
        changes = [f"{counted(self.changed, 'file')} changed"] if self.changed else []
        return ", ".join(
            (f"working tree at {commit}", *changes, *(what for what, _ in self.missing.describe()))
        )


def find_root(folder: Path) -> Path | None:
    """The root of the working tree that holds `folder`, if any does.

    Raises InputError if git is not installed, or refuses the repository as another user's.
    """
    result = _attempt(folder, "rev-parse", "--show-toplevel")
    if result.returncode:
        if "cannot use bare repository" in result.stderr:
            raise InputError(
                f"{folder}: it looks like a bare git repository, whose settings may run commands; "
                "move the workflow file to a folder without them"
            )
        if "dubious ownership" in result.stderr:
            raise InputError(
                f"{folder}: git refuses a repository of another user; "
                f"run: git config --global --add safe.directory {folder.resolve()}"
            )
        return None
    root = Path(result.stdout.rstrip("\n"))
    folder_of_git = Path(_git(folder, "rev-parse", "--absolute-git-dir").rstrip("\n"))
    own = root / ".git"
    if not own.is_file() and not (own.is_dir() and own.samefile(folder_of_git)):
        raise InputError(
            f"{folder_of_git}: its core.worktree says that its files are in {root}, where they are not; "
            f"run: git config --file={folder_of_git}/config --unset core.worktree"
        )
    return root


def runs_commands_to_fetch(root: Path) -> bool:
    """Whether the repository's own configuration names commands, or other places, for a fetch."""
    settings = dict(_list_own_settings(root))
    common = _git(root, "rev-parse", "--path-format=absolute", "--git-common-dir").rstrip("\n")
    hooks = root / settings.get("core.hookspath", f"{common}/hooks")  # a fetch may collect garbage
    return (hooks / "pre-auto-gc").exists() or any(map(_FETCH_COMMAND.fullmatch, settings))


def _list_own_settings(folder: Path) -> Iterator[tuple[str, str]]:
    """Keys and values of the repository's own configuration: not the user's, nor the machine's."""
    words = iter(_git(folder, "config", "--list", "--show-scope", "-z").split("\0")[:-1])
    for scope, entry in zip(words, words, strict=True):
        if scope in {"local", "worktree"}:
            key, _, value = entry.partition("\n")
            yield key, value


def _disable_filters(root: Path) -> Iterator[tuple[str, str]]:
    """Configuration in which no filter of the repository or its submodules runs a command, but git-lfs."""
    for folder in (root, *_find_submodules(root)):
        for key, value in _list_own_settings(folder):
            if (command := _FILTER_COMMAND.fullmatch(key)) and not _LFS_COMMAND.fullmatch(value):
                yield from ((f"{command[1]}.{kind}", "") for kind in ("clean", "smudge", "process"))
                yield f"{command[1]}.required", "false"


def _find_submodules(root: Path) -> Iterator[Path]:
    """The folders of those that are checked out, and of theirs."""
    for entry in _list_files(root, "ls-files", "--stage"):
        attributes, _, name = entry.partition("\t")
        _check_name(root, name)
        if attributes.startswith(_SUBMODULE) and (root / name / ".git").exists():
            yield root / name
            yield from _find_submodules(root / name)


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
    shallow = _attempt(root, "rev-parse", "--is-shallow-repository").stdout.strip() == "true"
    hint = "; the clone is shallow; run: git fetch --unshallow" if shallow else ""
    raise InputError(f"--ref {ref}: no such branch, tag or commit in {root}{hint}")


def find_branch(root: Path, ref: str | None = None) -> str:
    """The branch that is checked out, or that `ref` names as `resolve_commit` takes it; empty if none is."""
    if ref is None:
        name = _attempt(root, "symbolic-ref", "--quiet", "HEAD").stdout.strip()
    else:
        name = f"{HEADS}{ref}"
        if is_commit(ref) or _attempt(root, "show-ref", "--verify", "--quiet", name).returncode:
            return ""
    if not name.startswith(HEADS):
        return ""
    return os.fsencode(name.removeprefix(HEADS)).decode("utf-8", "replace")  # git takes any bytes


def is_pushed(folder: Path, commit: str) -> bool:
    """Whether a branch of a remote holds the commit, as far as the clone knows."""
    result = _attempt(folder, "branch", "--remotes", "--contains", commit)
    return result.returncode != 0 or bool(result.stdout.strip())


def may_be_committed(root: Path, path: Path) -> bool:
    """Whether git would add the file to the working tree's next commit, or has it already."""
    if not path.resolve().is_relative_to(root.resolve()):
        return False
    return _attempt(root, "check-ignore", "--quiet", "--", str(path.resolve())).returncode == 1


def is_tracked(path: Path) -> bool:
    """Whether the index has the path, or files below it. Raises InputError if git refuses the repository."""
    if not shutil.which("git"):  # then none has cloned it
        return False
    result = _attempt(path.parent, "ls-files", "-z", "--", path.name)
    if result.returncode and "not a git repository" not in result.stderr:
        raise InputError(f"{path.parent}: git: {(result.stderr.strip() or 'failed').splitlines()[0]}")
    return bool(result.stdout)


def describe_code(root: Path, ref: str = "HEAD", without: Path | None = None) -> CodeVersion:
    """The working tree of `root`, but for the file `without`; with another `ref` than HEAD, that commit as it
    was committed."""
    url = remote_url(root) or root.as_uri()
    commit = _attempt(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").stdout.strip() or None
    if ref != "HEAD":
        return CodeVersion(url, commit, _git(root, "rev-parse", f"{ref}^{{tree}}").strip(), 0)
    others = _list_files(root, "ls-files", "--others", "--exclude-standard")
    changed = [name for name in others if root / name != without]
    if commit:
        with _honest_index(root) as index:
            changed += _list_files(root, *_DIFF, commit, env=index, config=_disable_filters(root))
    else:
        changed += _list_files(root, "ls-files")
    return CodeVersion(url, commit, "", len(changed), _find_missing(root))


@contextmanager
def _honest_index(root: Path) -> Iterator[Mapping[str, str]]:
    """The environment for a copy of the index in which no file that is there is marked as not to look at."""
    entries = [entry for entry in _list_files(root, "ls-files", "-v") if entry[0] in "Shs"]
    paths = [entry[2:] for entry in entries if os.path.lexists(root / entry[2:])]
    if not paths:
        yield {}
        return
    with tempfile.TemporaryDirectory() as folder:
        index = Path(_git(root, "rev-parse", "--path-format=absolute", "--git-path", "index").rstrip("\n"))
        env = {"GIT_INDEX_FILE": str(shutil.copy2(index, Path(folder, "index")))}
        for flag in ("--no-assume-unchanged", "--no-skip-worktree"):  # git takes one of them
            _git(root, "update-index", flag, "-z", "--stdin", env=env, stdin="".join(f"{p}\0" for p in paths))
        yield env


def _find_missing(root: Path) -> MissingFiles:
    sparse, lfs = 0, 0
    submodules: list[str] = []
    for entry in _list_files(root, "ls-files", "-t", "--stage"):  # "S 100644 ID 0", tab, the path
        attributes, _, name = entry.partition("\t")
        tag, mode, *_ = attributes.split(" ")
        if mode == _SUBMODULE and not (root / name / ".git").exists():
            submodules.append(name)
        elif mode == _SUBMODULE:
            inner = _find_missing(root / name)
            sparse, lfs = sparse + inner.sparse_files, lfs + inner.lfs_files
            submodules += [f"{name}/{path}" for path in inner.submodules]
        else:
            sparse += tag == "S" and not os.path.lexists(root / name)
    lfs += sum(
        is_lfs_pointer(root / name) for name in _list_files(root, "ls-files", "--", ":(attr:filter=lfs)")
    )
    return MissingFiles(sparse, tuple(submodules), lfs)


def snapshot_working_tree(root: Path, target: Path, without: Path | None = None) -> CodeVersion:
    """Copy the working tree of `root` to the new folder `target`, as a repository at its commit.

    The file `without` is left out.
    """
    code = describe_code(root, without=without)
    _git(root, "init", "--quiet", str(target))
    if code.commit:
        partial = _attempt(root, "config", "--get-regexp", r"^remote\..*\.promisor$").returncode == 0
        _git(target, "fetch", "--quiet", "--depth=1", *(_FILTER if partial else ()), root.as_uri(), "HEAD")
        _git(target, "update-ref", "--no-deref", "HEAD", code.commit)
    _copy_files(root, target, without)
    _git(target, "add", "--all", "--force")
    tree = _git(target, "write-tree").strip()
    _git(target, "read-tree", code.commit or "--empty")
    return replace(code, tree=tree)


def _copy_files(root: Path, target: Path, without: Path | None) -> None:
    for name in dict.fromkeys(_list_files(root, "ls-files", "--cached", "--others", "--exclude-standard")):
        source, copy = root / name, target / name.rstrip("/")
        _check_name(root, name)
        if source == without or source.parent.resolve() != root.resolve().joinpath(*Path(name).parts[:-1]):
            continue  # git follows no links, either
        if source.is_symlink() or source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy, follow_symlinks=False)
        elif source.is_dir() and (source / ".git").exists():  # a submodule, or a clone inside
            copy.mkdir(parents=True, exist_ok=True)
            _copy_files(source, copy, without)


def _check_name(root: Path, name: str) -> None:
    """Raises CheckoutError for a file that no commit can have, but an index that git did not write."""
    parts = name.rstrip("/").split("/")
    if any(part.lower() in {"", ".", "..", ".git"} for part in parts):
        raise CheckoutError(
            f"{root}: its index names {quoted(name)}, which no commit can have; clone it anew"
        )


def is_same_repository(one: str, other: str) -> bool:
    """Whether two URLs name one repository, by https or ssh, with or without `.git`."""
    return repository_key(one) == repository_key(other)


def repository_name(url: str) -> str:
    """The last part of a repository's URL, without `.git`; empty for an empty one."""
    return re.split(r"[/:]", url.rstrip("/"))[-1].removesuffix(".git")


def repository_key(url: str) -> str:
    """What all spellings of a repository's URL have in common."""
    url = re.sub(r"^\w+://|^(?=[^/]+@[^/]+:)", "", url)
    return re.sub(r"^[^/]*@|\.git/?$|/$", "", url).replace(":", "/").lower()


def _list_files(
    root: Path,
    command: str,
    *options: str,
    env: Mapping[str, str] | None = None,
    config: Iterable[tuple[str, str]] = (),
) -> list[str]:
    return _git(root, command, "-z", *options, env=env, config=config).split("\0")[:-1]


def _git(
    folder: Path,
    *words: str,
    env: Mapping[str, str] | None = None,
    config: Iterable[tuple[str, str]] = (),
    stdin: str | None = None,
) -> str:
    """What a command prints; `env` and `config` are added to its environment. Raises CheckoutError."""
    result = _attempt(folder, *words, env=env, config=config, stdin=stdin)
    if result.returncode:
        raise CheckoutError(f"git: {(result.stderr.strip() or 'failed').splitlines()[-1]}")
    return result.stdout


def _attempt(
    folder: Path,
    *words: str,
    env: Mapping[str, str] | None = None,
    config: Iterable[tuple[str, str]] = (),
    stdin: str | None = None,
) -> "subprocess.CompletedProcess[str]":
    # without GIT_DIR and its like: a git hook may run this
    environ = {name: value for name, value in os.environ.items() if not re.match("GIT_(?!CONFIG)", name)}
    # and without the commands that a partial clone's configuration names to fetch what it lacks
    environ = {**environ, "GIT_NO_LAZY_FETCH": "1", **(env or {})}
    git = Git(folder, build_env(environ, (*_CONFIG, *config)))
    result = git.attempt_bytes(*words, stdin=None if stdin is None else os.fsencode(stdin))
    texts = [os.fsdecode(output) for output in (result.stdout, result.stderr)]
    return subprocess.CompletedProcess(result.args, result.returncode, *texts)
