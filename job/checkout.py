"""`python -m job checkout`: a git repository at one commit, in a folder.

Shallow where the server gives a single commit, whole where it does not; with submodules, and with
LFS files where git-lfs is installed. The user's own git configuration holds (`url.*.insteadOf`,
certificates, ssh), but nothing that a repository or a URL brings is ever run.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

import click

from job.errors import CheckoutError, InputError

USERNAME = "TEXTGEN_GIT_USERNAME"
PASSWORD = "TEXTGEN_GIT_PASSWORD"  # noqa: S105

_SCHEMES = ("https", "ssh", "git", "file")
_SCP = re.compile(r"(?:[\w.-]+@)?[A-Za-z0-9][\w.-]*:(?!//)[^-].*")
# What `git check-ref-format` refuses, and what fetch takes for an option or a refspec.
_NOT_A_REF = re.compile(r"^[-+/.]|[/.]$|\.\.|//|/\.|@\{|\.lock(/|$)|[\x00-\x20\x7f~^:?*\[\\]")
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_LARGE = "git lfs install --local --skip-repo && git lfs pull"
# git asks it for one host only; the values stay in the environment.
_HELPER = (
    f"""!f() {{ test "$1" = get && printf 'username=%s\\npassword=%s\\n' "${USERNAME}" "${PASSWORD}"; }}; f"""
)


@click.command("checkout")
@click.option("--url", required=True, help="https, ssh, git or file URL, or a path.")
@click.option("--ref", default="", help="Commit, branch or tag; the default branch if empty.")
@click.option("--path", "target", required=True, type=click.Path(path_type=Path), help="The folder to fill.")
def command(url: str, ref: str, target: Path) -> None:
    """Check a repository out. TEXTGEN_GIT_USERNAME and TEXTGEN_GIT_PASSWORD are for a private one."""
    click.echo(f"Cloning into '{target}'...")
    commit = checkout(url, ref or None, target, os.environ)
    click.echo(f"HEAD is now at {commit}")


def checkout(url: str, ref: str | None, target: Path, environ: Mapping[str, str]) -> str:
    """Fill the empty or new folder `target`; the commit's id.

    Raises InputError for a URL or ref that git should not see, CheckoutError where git can't fetch.
    """
    address, env = _address(url, environ)
    if ref and _NOT_A_REF.search(ref):
        raise InputError(f"{ref!r} is not the name of a branch, tag or commit")
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise CheckoutError(f"{target}: is not an empty folder; give the checkout a folder of its own")
    target.mkdir(parents=True, exist_ok=True)
    repository = _Git(target, env)
    repository("init", "--quiet")
    repository("remote", "add", "--", "origin", address)
    commit = _fetch(repository, ref)
    repository("checkout", "--quiet", "--detach", "--force", commit)
    if (target / ".gitmodules").exists():
        _submodules(repository)
    _large_files(repository)
    return commit


class _Git:
    """git in one folder."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._env = env

    def __call__(self, *words: str) -> str:
        found = self.attempt(*words)
        if found.returncode:
            raise CheckoutError(_reason(found.stderr))
        return found.stdout.strip()

    def attempt(self, *words: str) -> "subprocess.CompletedProcess[str]":
        try:
            return subprocess.run(
                ["git", "-C", str(self._folder), *words],
                env=self._env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
        except FileNotFoundError as error:
            raise CheckoutError("git is not installed") from error


def _fetch(repository: _Git, ref: str | None) -> str:
    shallow = repository.attempt("fetch", "--quiet", "--depth=1", "--no-tags", "origin", ref or "HEAD")
    if shallow.returncode == 0:
        return repository("rev-parse", "--verify", "FETCH_HEAD^{commit}")
    # an abbreviated commit, or a server that gives branches and tags only
    whole = repository.attempt("fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
    if whole.returncode:
        raise CheckoutError(_reason(whole.stderr))
    for name in (f"refs/remotes/origin/{ref}", f"refs/tags/{ref}", ref or "HEAD"):
        found = repository.attempt("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if found.returncode == 0:
            return found.stdout.strip()
    kind = "commit" if ref and _COMMIT.fullmatch(ref) else "branch, tag or commit"
    raise CheckoutError(f"the repository has no {kind} {ref or 'HEAD'}; check `ref`")


def _submodules(repository: _Git) -> None:
    update = ("submodule", "--quiet", "update", "--init", "--recursive")
    if repository.attempt(*update, "--depth=1").returncode:
        repository(*update)  # the commit is no branch's newest


def _large_files(repository: _Git) -> None:
    where = ("--recurse-submodules", "--fixed-strings", "filter=lfs", "--", "*.gitattributes")
    if repository.attempt("grep", "--quiet", *where).returncode:
        return
    if not shutil.which("git-lfs"):
        click.echo("git-lfs is not installed: the repository's large files stay pointers")
        return
    repository("lfs", "install", "--local", "--skip-repo")  # which is its hooks
    repository("lfs", "pull")
    repository("submodule", "--quiet", "foreach", "--recursive", _LARGE)


def _address(url: str, environ: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """What git is given: a URL without user and password, and an environment with them in it."""
    if not url.isprintable() or url.startswith("-") or "::" in url.partition("/")[0]:
        raise InputError(f"{url!r} is not the address of a repository")
    env = {**environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": "", "LC_ALL": "C"}
    env.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
    env["GIT_LFS_SKIP_SMUDGE"] = "1"
    config = [("core.hooksPath", "/dev/null"), ("core.fsmonitor", "false"), ("protocol.allow", "never")]
    config += [(f"protocol.{scheme}.allow", "always") for scheme in _SCHEMES[:3]]
    parts = urlsplit(url)
    local = parts.scheme == "file" or url.startswith(("/", "./", "../"))
    # a repository's submodules may be folders of this machine only where it is one itself
    config.append(("protocol.file.allow", "always" if local else "user"))
    if parts.scheme == "https" and parts.hostname:
        url = _bare(parts)
        env.setdefault(USERNAME, unquote(parts.username or "") or "x-access-token")
        if parts.password:
            env.setdefault(PASSWORD, unquote(parts.password))
        if env.get(PASSWORD):
            host = urlsplit(url)
            config += [("credential.helper", ""), (f"credential.https://{host.netloc}.helper", _HELPER)]
    elif not (local or parts.scheme in _SCHEMES or _SCP.fullmatch(url)):
        raise InputError(f"{url!r}: only https, ssh, git and file URLs, and paths, can be checked out")
    elif local and parts.scheme != "file":
        url = Path(url).resolve().as_uri()
    return url, {**env, **_as_environment(config, environ)}


def _bare(parts: SplitResult) -> str:
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _as_environment(config: list[tuple[str, str]], environ: Mapping[str, str]) -> dict[str, str]:
    """As git reads configuration from the environment, after what is there already."""
    start = int(environ.get("GIT_CONFIG_COUNT") or 0)
    env = {"GIT_CONFIG_COUNT": str(start + len(config))}
    for number, (key, value) in enumerate(config, start):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env


def _reason(text: str) -> str:
    """The line of git's that says what is wrong, and what to do about the commonest."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["git failed"]
    told = (n for n, line in enumerate(lines) if line.startswith(("fatal:", "error:", "ERROR:")))
    number = next(told, len(lines) - 1)
    reason = lines[number].removeprefix("fatal: ")
    if number and reason.startswith("Could not read from remote"):  # ssh said why before
        return f"{lines[number - 1]} ssh needs a key that may read it, and its host in known_hosts"
    if "could not read Username" in reason or "Authentication failed" in reason:
        return f"{reason}; for a private repository give `password: secret:NAME`, a token that may read it"
    return reason
