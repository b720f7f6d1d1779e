"""A repository on a git host: its branches, and the workflow files of a commit."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from argo.kubernetes_names import GIT
from argo.language.workflow import MAX_BYTES
from job.checkout.git import HEADS, PASSWORD, Git, is_branch, url_and_env
from job.errors import CheckoutError

FOLDER = ".gradient/workflows"

_SUFFIXES = (".yaml", ".yml")
_PRIVATE_HINT = f"set {PASSWORD} (in a cluster: the Secret {GIT}) to a token that may read it"


def canonical_url(url: str, environ: Mapping[str, str]) -> str:
    """The URL as runs and records have it: without user and password, and a `file:` URL for a path.

    Raises InputError if `url` is not the address of a repository.
    """
    return url_and_env(url, environ)[0]


class RemoteRepository:
    """The repository at `url`. What is fetched of it goes to the empty folder `folder`.

    Every method raises CheckoutError if git fails, or is silent for `timeout` seconds. git never interprets
    the name of a branch or a file as an option: branches go by their full names (`refs/heads/...`).
    """

    def __init__(self, url: str, folder: Path, environ: Mapping[str, str], timeout: float) -> None:
        """Sends no request. Raises InputError if `url` is not the address of a repository."""
        self.url, env = url_and_env(url, environ)
        self._git = Git(folder, env, timeout=timeout, private_hint=_PRIVATE_HINT)
        self._git("init", "--quiet", "--bare", "--template=")
        self._git("remote", "add", "--", "origin", self.url)

    def list_branches(self) -> dict[str, str]:
        """The newest commit of each branch."""
        branches = {}
        for line in self._git("ls-remote", "--heads", "origin").splitlines():
            commit, _, ref = line.partition("\t")
            branch = ref.removeprefix(HEADS)
            # no workflow file can name a branch that is not UTF-8
            if branch != ref and "\ufffd" not in branch and is_branch(branch):
                branches[branch] = commit
        return branches

    def fetch_branches(self, branches: Iterable[str], depth: int = 1) -> dict[str, str]:
        """Fetch the newest commits of the branches. Returns the newest, which may be newer than listed.

        If the server can do that, files are fetched only when they are read.
        """
        names = list(branches)
        if not names:
            return {}
        specs = "".join(f"+{HEADS}{branch}:{HEADS}{branch}\n" for branch in names)
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--stdin")
        self._git("fetch", f"--depth={depth}", "--filter=blob:none", *options, "origin", stdin=specs)
        return {name: self._git("rev-parse", "--verify", f"{HEADS}{name}^{{commit}}") for name in names}

    def list_commits(self, before: str, commit: str) -> list[str] | None:
        """The commits after `before` up to `commit`, oldest first; None if `before` was not fetched."""
        fetched = self._git("rev-list", "--topo-order", commit).splitlines()
        if before not in fetched:
            return None
        return self._git("rev-list", "--topo-order", "--reverse", commit, f"^{before}").splitlines()

    def read_workflow_files(self, commit: str) -> Iterator[tuple[str, bytes]]:
        """The path and the content of each workflow file; links are skipped.

        A content that is too long for a workflow file is cut one byte after the limit.
        """
        entries = self._git("ls-tree", "-z", commit, "--", f"{FOLDER}/")
        for entry in filter(None, entries.split("\0")):
            attributes, _, path = entry.partition("\t")
            mode, _, blob = attributes.split(" ")
            if mode in {"100644", "100755"} and PurePosixPath(path).suffix in _SUFFIXES:
                yield path, self._read_blob(blob)

    def _read_blob(self, blob: str) -> bytes:
        with tempfile.TemporaryFile() as file:
            result = self._git.attempt_bytes("cat-file", "blob", blob, stdout=file)
            if result.returncode:
                raise CheckoutError(f"git can't read the blob {blob}")
            file.seek(0)
            return file.read(MAX_BYTES + 1)
