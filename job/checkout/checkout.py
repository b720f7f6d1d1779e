"""`python -m job checkout`: a git repository at one commit, in a folder.

Shallow where the server gives a single commit, whole where it does not; with submodules, and with
LFS files where git-lfs is installed. The user's own git configuration holds (`url.*.insteadOf`,
certificates, ssh), but nothing that a repository or a URL brings is ever run.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import click

from job.checkout.git import Git, is_commit, is_ref, redact_url, url_and_env
from job.errors import CheckoutError, InputError

_LARGE = "git lfs install --local --skip-repo && git lfs pull"


@click.command("checkout")
@click.option("--url", required=True, help="https, ssh, git or file URL, or a path.")
@click.option("--ref", default="", help="Commit, branch or tag; the default branch if empty.")
@click.option("--path", "target", required=True, type=click.Path(path_type=Path), help="Folder to fill.")
@click.option("--result", type=click.Path(path_type=Path), help="File for what was checked out, as JSON.")
def command(url: str, ref: str, target: Path, result: Path | None) -> None:
    """Check out a repository. TEXTGEN_GIT_USERNAME and TEXTGEN_GIT_PASSWORD are for a private one."""
    click.echo(f"Cloning into '{target}'...")
    commit = checkout(url, ref or None, target, os.environ)
    click.echo(f"HEAD is now at {commit}")
    if result:
        result.write_text(json.dumps({"url": redact_url(url), "commit": commit}) + "\n", "utf-8")


def checkout(url: str, ref: str | None, target: Path, environ: Mapping[str, str]) -> str:
    """Fill the empty or new folder `target`; the commit's id.

    Raises InputError for a URL or ref that git should not see, CheckoutError where git can't fetch.
    """
    bare, env = url_and_env(url, environ)
    if ref and not is_ref(ref):
        raise InputError(f"{ref!r} is not the name of a branch, tag or commit")
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise CheckoutError(f"{target}: is not an empty folder; give the checkout a folder of its own")
    target.mkdir(parents=True, exist_ok=True)
    repository = Git(target, env)
    repository("init", "--quiet")
    repository("remote", "add", "--", "origin", bare)
    commit = _fetch(repository, ref)
    repository("checkout", "--quiet", "--detach", "--force", commit)
    if (target / ".gitmodules").exists():
        _submodules(repository)
    _large_files(repository)
    return commit


def _fetch(repository: Git, ref: str | None) -> str:
    shallow = repository.attempt("fetch", "--quiet", "--depth=1", "--no-tags", "origin", ref or "HEAD")
    if shallow.returncode == 0:
        return repository("rev-parse", "--verify", "FETCH_HEAD^{commit}")
    # an abbreviated commit, or a server that gives branches and tags only
    whole = repository.attempt("fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
    if whole.returncode:
        raise repository.error(whole)
    for name in (f"refs/remotes/origin/{ref}", f"refs/tags/{ref}", ref or "HEAD"):
        found = repository.attempt("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if found.returncode == 0:
            return found.stdout.strip()
    kind = "commit" if ref and is_commit(ref) else "branch, tag or commit"
    raise CheckoutError(f"the repository has no {kind} {ref or 'HEAD'}; check `ref`")


def _submodules(repository: Git) -> None:
    update = ("submodule", "--quiet", "update", "--init", "--recursive")
    if repository.attempt(*update, "--depth=1").returncode:
        repository(*update)  # the commit is no branch's newest


def _large_files(repository: Git) -> None:
    where = ("--recurse-submodules", "--fixed-strings", "filter=lfs", "--", "*.gitattributes")
    if repository.attempt("grep", "--quiet", *where).returncode:
        return
    if not shutil.which("git-lfs"):
        click.echo("git-lfs is not installed: the repository's large files stay pointers")
        return
    repository("lfs", "install", "--local", "--skip-repo")  # which is its hooks
    repository("lfs", "pull")
    repository("submodule", "--quiet", "foreach", "--recursive", _LARGE)
