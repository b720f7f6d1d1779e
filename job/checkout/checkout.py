"""`python -m job checkout`: a git repository at one commit, in a folder.

Shallow if the server gives a single commit, else whole; with submodules, and with LFS files if
git-lfs is installed.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

import click

from job.checkout.git import (
    HEADS,
    Git,
    build_env,
    is_commit,
    is_lfs_pointer,
    is_local,
    is_ref,
    is_url,
    redact_url,
    url_and_env,
)
from job.command import FilePath
from job.errors import CheckoutError, InputError
from job.files import write_atomically
from job.text import quoted

_LFS_IN_SUBMODULE = "git lfs install --local --skip-repo && git lfs pull"


@click.command("checkout")
@click.option("--url", required=True, help="https, http, ssh, git or file URL, or a path.")
@click.option("--ref", default="", help="Commit, branch or tag; the default branch if empty.")
@click.option("--path", "target", required=True, type=FilePath(), help="Folder to fill.")
@click.option("--origin", help="URL that those of submodules are relative to (default: --url).")
@click.option("--result", type=FilePath(), help="JSON file for the URL and the commit.")
def command(url: str, ref: str, target: Path, origin: str | None, result: Path | None) -> None:
    """Check out a repository. Set TEXTGEN_GIT_USERNAME and TEXTGEN_GIT_PASSWORD for a private one."""
    click.echo(f"Cloning into '{target}'...")
    commit = checkout(url, ref or None, target, os.environ, origin)
    click.echo(f"HEAD is now at {commit}")
    if result:
        checked_out: dict[str, object] = {"url": redact_url(url), "commit": commit}
        if pointers := count_lfs_pointers(target, os.environ):
            checked_out["missing"] = {"lfs_files": pointers}
        write_atomically(result, [json.dumps(checked_out).encode(), b"\n"])


def checkout(
    url: str, ref: str | None, target: Path, environ: Mapping[str, str], origin: str | None = None
) -> str:
    """Fill the empty or new folder `target`; the commit's id.

    URLs of submodules may be relative: to `origin`, or to `url`.
    Raises InputError for a URL or ref that git should not see, CheckoutError if git can't fetch.
    """
    clean_url, env = url_and_env(url, environ)
    if ref and not is_ref(ref):
        raise InputError(f"{quoted(ref)} is not the name of a branch, tag or commit")
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise CheckoutError(f"{target}: not an empty folder; give the checkout a folder of its own")
    target.mkdir(parents=True, exist_ok=True)
    git = Git(target, env)
    git("init", "--quiet")
    git("remote", "add", "--", "origin", clean_url)
    commit = _fetch(git, ref)
    git("checkout", "--quiet", "--detach", "--force", commit)
    if (target / ".gitmodules").exists():
        base = url_and_env(origin, {})[0] if origin else clean_url
        git("remote", "set-url", "--", "origin", base)
        # of a clone of a remote repository, no submodule is a folder of this machine
        limits = [] if is_local(base) else [("protocol.file.allow", "user")]
        _fetch_submodules(Git(target, build_env(env, limits)))
        git("remote", "set-url", "--", "origin", clean_url)
    _fetch_lfs_files(git)
    return commit


def count_lfs_pointers(target: Path, environ: Mapping[str, str]) -> int:
    """The number of Git LFS files of a checkout that are pointers, without git-lfs."""
    git = Git(target, build_env(environ))
    if not _uses_lfs(git):
        return 0
    files = git.attempt_bytes("ls-files", "--recurse-submodules", "-z").stdout.split(b"\0")[:-1]
    return sum(is_lfs_pointer(target / os.fsdecode(file)) for file in files)


def _fetch(git: Git, ref: str | None) -> str:
    """Fetch the commit that `ref` names, a branch before a tag; its id."""
    shallow = _fetch_one(git, ref)
    if shallow.returncode == 0:
        return git("rev-parse", "--verify", "FETCH_HEAD^{commit}")
    # an abbreviated commit, or a server that gives branches and tags only
    whole = git.attempt("fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
    if whole.returncode:
        raise git.build_error(whole)
    for name in (f"refs/remotes/origin/{ref}", f"refs/tags/{ref}", ref or "HEAD"):
        parsed = git.attempt("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if parsed.returncode == 0:
            return parsed.stdout.strip()
    kind = "commit" if ref and is_commit(ref) else "branch, tag or commit"
    raise CheckoutError(f"the repository has no {kind} {ref or 'HEAD'}; check `ref`")


def _fetch_one(git: Git, ref: str | None) -> CompletedProcess[str]:
    """Fetch one commit. git itself would take a tag before a branch of the same name."""
    fetch = ("fetch", "--quiet", "--depth=1", "--no-tags", "origin")
    if ref and not is_commit(ref) and not ref.startswith("refs/"):
        branch = git.attempt(*fetch, f"{HEADS}{ref}")
        if "couldn't find remote ref" not in branch.stderr:
            return branch
    return git.attempt(*fetch, ref or "HEAD")


def _fetch_submodules(git: Git) -> None:
    update = ("submodule", "--quiet", "update", "--init", "--recursive")
    if git.attempt(*update, "--depth=1").returncode:
        git(*update)  # the commit is not the newest of a branch


def _uses_lfs(git: Git) -> bool:
    attributes = ("--recurse-submodules", "--fixed-strings", "filter=lfs", "--", "*.gitattributes")
    return git.attempt("grep", "--quiet", *attributes).returncode == 0


def _fetch_lfs_files(git: Git) -> None:
    if not _uses_lfs(git):
        return
    if not shutil.which("git-lfs"):
        click.echo("git-lfs is not installed: the repository's large files stay pointers")
        return
    _check_lfs_urls(git)
    git("lfs", "install", "--local", "--skip-repo")  # --skip-repo: without its hooks
    git("lfs", "pull")
    git("submodule", "--quiet", "foreach", "--recursive", _LFS_IN_SUBMODULE)


def _check_lfs_urls(git: Git) -> None:
    """Raise CheckoutError if the repository, or a submodule, has Git LFS copy files of this machine."""
    words = ("ls-files", "--recurse-submodules", "-z", "--", ".lfsconfig", "*/.lfsconfig")
    for file in git.attempt_bytes(*words).stdout.split(b"\0")[:-1]:
        name = os.fsdecode(file)
        listed = git.attempt("config", f"--file={name}", "--includes", "-z", "--get-regexp", "url$")
        if listed.returncode > 1:
            raise git.build_error(listed)
        for entry in listed.stdout.split("\0")[:-1]:
            key, _, url = entry.partition("\n")
            if is_local(url) or not is_url(url):
                raise CheckoutError(
                    f"{quoted(name)}: {key} = {quoted(redact_url(url))} is no https, http or ssh URL"
                )
