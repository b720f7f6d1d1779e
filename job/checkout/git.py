"""git: what may be a URL, a ref or a commit, and how commands run.

What a URL, a ref or a repository brings is data: nothing of it is run. The user's own git configuration
holds (`url.*.insteadOf`, certificates, ssh).
"""

import os
import re
import signal
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.parse import SplitResult, unquote, urlsplit

from job.errors import CheckoutError, InputError
from job.text import quoted

USERNAME = "TEXTGEN_GIT_USERNAME"
PASSWORD = "TEXTGEN_GIT_PASSWORD"  # noqa: S105

# Lets a partial clone that is fetched from fetch from its own origin, whose commands git then trusts.
FETCHES_WHAT_IT_LACKS = {"GIT_NO_LAZY_FETCH": "0"}

HEADS = "refs/heads/"
MAX_URL = 2048  # characters
MAX_REF = 255

_SCHEMES = ("https", "http", "ssh", "git", "file")
# `user@host:path`, or `host:path` with a host of ssh's configuration; but not what else has that form: a URL
# without its slashes, a secret of a workflow file, a drive of Windows.
_SCP = re.compile(
    r"(?:[A-Za-z0-9_][\w.-]*@|(?!(?:https?|ssh|git|file|secret|\w):))([A-Za-z0-9][\w.-]*):(?!//)([^-:].*)",
    re.ASCII,
)
# What `git check-ref-format` refuses, and what `git fetch` takes for an option or a refspec.
_NOT_IN_REF = re.compile(r"^[-+/.]|[/.]$|\.\.|//|/\.|@\{|\.lock(/|$)|[\x00-\x20\x7f~^:?*\[\\]")
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_USERINFO = re.compile(r"^(?:(https?://)[^/]*|([a-z][a-z0-9+.-]*://)[^/:]*:[^/]*)@", re.IGNORECASE)
# A credential helper, which git asks for one host only; the values stay in the environment.
_HELPER = (
    f"""!f() {{ test "$1" = get && printf 'username=%s\\npassword=%s\\n' "${USERNAME}" "${PASSWORD}"; }}; f"""
)
_SUBMODULE = re.compile(r"submodule path '(?P<path>.+?)'|returned non-zero status for (?P<name>.+)")
_PRIVATE_HINT = "give `password: secret:NAME`, a token that may read it"
_SSH_HINT = "ssh needs a key that may read it, and its host in known_hosts"
_PARTIAL_HINT = "check it out there once, or give the URL that it was cloned from"
_LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\n"


class Git:
    """git in one folder. A command that takes over `timeout` seconds is killed; `private_hint` is what
    to do when a private repository asks for a password."""

    def __init__(
        self,
        folder: Path,
        env: Mapping[str, str],
        *,
        timeout: float | None = None,
        private_hint: str = _PRIVATE_HINT,
    ) -> None:
        self._folder = folder
        self._env = env
        self._timeout = timeout
        self._private_hint = private_hint

    def __call__(self, *words: str, stdin: str | None = None) -> str:
        """What a command prints, stripped. Raises CheckoutError with git's reason."""
        result = self.attempt(*words, stdin=stdin)
        if result.returncode:
            raise self.build_error(result)
        return result.stdout.strip()

    def attempt(self, *words: str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
        """The result of a command, also of one that fails."""
        result = self.attempt_bytes(*words, stdin=stdin.encode("utf-8", "surrogateescape") if stdin else None)
        texts = [output.decode("utf-8", "replace") for output in (result.stdout, result.stderr)]
        return subprocess.CompletedProcess(result.args, result.returncode, *texts)

    def attempt_bytes(
        self, *words: str, stdin: bytes | None = None, stdout: int | IO[bytes] = subprocess.PIPE
    ) -> "subprocess.CompletedProcess[bytes]":
        """As `attempt`, without decoding; what is printed goes to the file `stdout`, if there is one.

        Raises InputError if git is not installed, CheckoutError if it takes too long.
        """
        argv = ["git", "-C", str(self._folder), *words]
        try:
            process = subprocess.Popen(
                argv,
                env=self._env,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=stdout,
                stderr=subprocess.PIPE,
                # a group of its own: what git starts for a transport is killed with it
                start_new_session=self._timeout is not None,
            )
        except FileNotFoundError as error:
            raise InputError("git is not installed; install it and try again") from error
        with process:
            try:
                out, err = process.communicate(stdin, self._timeout)
            except subprocess.TimeoutExpired:
                _kill(process)
                raise CheckoutError(f"git has not answered for {self._timeout:g} s") from None
            except BaseException:
                _kill(process)
                raise
        return subprocess.CompletedProcess(argv, process.returncode, out or b"", err)

    def build_error(self, result: "subprocess.CompletedProcess[str]") -> CheckoutError:
        """Why a command failed; of a submodule, with its path."""
        reason = _find_reason(result.stderr, self._private_hint)
        submodule = _SUBMODULE.search(result.stderr)
        if not submodule:
            return CheckoutError(reason)
        path = Path(submodule["path"] or submodule["name"])
        inside = path.relative_to(self._folder) if path.is_relative_to(self._folder) else path
        return CheckoutError(f"submodule {inside}: {reason}")


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def is_commit(text: str) -> bool:
    """Whether `text` is the full id of a commit: 40 digits, or 64 in a SHA-256 repository."""
    return bool(_COMMIT.fullmatch(text))


def is_ref(text: str) -> bool:
    """Whether `text` can be a commit, a branch or a tag, and nothing else to git."""
    return 0 < len(text) <= MAX_REF and text.isprintable() and not _NOT_IN_REF.search(text)


def is_branch(text: str) -> bool:
    """Whether `text` can be a branch. As it may begin like an option, give git `refs/heads/` before it."""
    return is_ref(f"{HEADS}{text}")


def is_url(text: str) -> bool:
    """Whether `text` is a repository's https, http, ssh, git or file URL, `user@host:path`, or a path."""
    if not text.isprintable() or len(text) > MAX_URL:
        return False
    if is_path(text):
        return True
    scheme, separator, rest = text.partition("://")
    if not separator:
        return " " not in text and parse_scp(text) is not None
    try:
        host = urlsplit(text).hostname or ""
    except ValueError:
        return False
    is_option = rest.startswith("-") or host.startswith("-")
    has_host = bool(host) or (scheme.lower() == "file" and rest != "")
    return scheme.lower() in _SCHEMES and " " not in text and has_host and not is_option


def is_path(url: str) -> bool:
    """Whether the URL of a repository is a path on this machine."""
    return url.startswith(("/", "./", "../"))


def is_local(url: str) -> bool:
    """Whether the URL of a repository names a folder of this machine."""
    return is_path(url) or url.lower().startswith("file:")


def local_path(url: str) -> Path:
    """The real path of the folder that a local URL names: what git is given."""
    return Path(url if is_path(url) else unquote(urlsplit(url).path)).resolve()


def parse_scp(url: str) -> tuple[str, str] | None:
    """Host and path of `user@host:path`, as scp and git write it for ssh; None for any other URL."""
    match = _SCP.fullmatch(url)
    return (match[1], match[2]) if match else None


def is_lfs_pointer(path: Path) -> bool:
    """Whether the file stands for one of Git LFS, whose content is not there."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_LFS_POINTER)) == _LFS_POINTER


def redact_url(url: str) -> str:
    """The URL without what may be a secret: the user of an http(s) URL, and any password."""
    return _USERINFO.sub(lambda match: match[1] or match[2], url)


def url_and_env(url: str, environ: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """What git is given: a URL without user and password, and an environment with them in it.

    Raises InputError if `url` is none.
    """
    if not is_url(url):
        raise InputError(f"{quoted(redact_url(url))} is not an https, http, ssh, git or file URL or a path")
    env = {**environ, "GIT_ASKPASS": "", "SSH_ASKPASS": "", "GIT_LFS_SKIP_SMUDGE": "1"}
    env.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
    if is_path(url):
        url = Path(url).resolve().as_uri()
    scheme, separator, rest = url.partition("://")
    url = f"{scheme.lower()}{separator}{rest}" if separator else url
    parts = urlsplit(url)
    config = [("protocol.allow", "never")]
    config += [(f"protocol.{scheme}.allow", "always") for scheme in ("https", "ssh", "git")]
    # a repository's submodules may be folders of this machine only if it is one itself
    config.append(("protocol.file.allow", "always" if parts.scheme == "file" else "user"))
    if parts.scheme == "http":  # never by a redirection from https, or for its submodules
        config.append(("protocol.http.allow", "always"))
        if parts.password or env.get(PASSWORD):
            raise InputError(f"{redact_url(url)}: a password is not sent over http; use https or ssh")
    if parts.scheme in {"http", "https"}:
        url = _without_userinfo(parts)
    if parts.scheme == "https":
        env.setdefault(USERNAME, unquote(parts.username or "") or "x-access-token")
        if parts.password:
            env.setdefault(PASSWORD, unquote(parts.password))
        if env.get(PASSWORD):
            origin = f"https://{urlsplit(url).netloc}"
            config += [("credential.helper", ""), (f"credential.{origin}.helper", _HELPER)]
    return url, build_env(env, config)


def build_env(environ: Mapping[str, str], config: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """An environment for git in which it asks for nothing and runs no hook; `config` is more of its
    configuration."""
    entries = [("core.hooksPath", "/dev/null"), ("core.fsmonitor", "false"), *config]
    start = int(environ.get("GIT_CONFIG_COUNT") or 0)  # after what is there already
    env = {
        **environ,
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        "GIT_CONFIG_COUNT": str(start + len(entries)),
    }
    for number, (key, value) in enumerate(entries, start):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env


def _without_userinfo(parts: SplitResult) -> str:
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _find_reason(stderr: str, private_hint: str) -> str:
    """The line of git's that says what is wrong, and what to do about the most frequent ones."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()] or ["git failed"]
    if "lazy fetching disabled" in stderr:
        return f"it is a partial clone and lacks files of this commit; {_PARTIAL_HINT}"
    if "from promisor remote" in stderr:
        told = [line.removeprefix("remote: fatal: ") for line in lines if line.startswith("remote: fatal: ")]
        return f"it is a partial clone, and git can't fetch what it lacks: {told[0] if told else lines[0]}"
    errors = (n for n, line in enumerate(lines) if line.startswith(("fatal:", "error:", "ERROR:")))
    number = next(errors, len(lines) - 1)
    reason = lines[number].removeprefix("fatal: ")
    if number and reason.startswith("Could not read from remote"):  # the line before is ssh's reason
        refused = "Permission denied" in lines[number - 1] or "Host key" in lines[number - 1]
        return lines[number - 1] + (f" {_SSH_HINT}" if refused else "")
    if "could not read Username" in reason or "Authentication failed" in reason:
        return f"{reason}; for a private repository {private_hint}"
    return reason
