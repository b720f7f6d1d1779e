"""A repository, looked at from afar: its branches, and the workflow files of a commit."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from argo.language.workflow import MAX_BYTES
from argo.object_names import GIT
from job.checkout.git import PASSWORD, Git, is_ref, url_and_env
from job.errors import CheckoutError

FOLDER = ".gradient/workflows"

_SUFFIXES = (".yaml", ".yml")
_HEADS = "refs/heads/"
_PRIVATE = f"set {PASSWORD} (in a cluster: the Secret {GIT}) to a token that may read it"


def canonical_url(url: str, environ: Mapping[str, str]) -> str:
    """The URL as runs and records have it: of a path its `file:` URL, without user and password.

    Raises InputError for what is no repository's address.
    """
    return url_and_env(url, environ)[0]


class RemoteRepository:
    """git's view of the repository at `url`, with what was fetched of it in the empty folder `folder`.

    Every method raises CheckoutError where git fails, or is silent for `timeout` seconds. A branch or file
    name is never git's to interpret: branches go by their full names (`refs/heads/...`).
    """

    def __init__(self, url: str, folder: Path, environ: Mapping[str, str], timeout: float) -> None:
        """Nothing is sent yet. Raises InputError for what is no repository's address."""
        where, env = url_and_env(url, environ)
        self.url = where
        self._git = Git(folder, env, timeout=timeout, private=_PRIVATE)
        self._git("init", "--quiet", "--bare", "--template=")
        self._git("remote", "add", "--", "origin", where)

    def branches(self) -> dict[str, str]:
        """The newest commit of each branch."""
        found = {}
        for line in self._git("ls-remote", "--heads", "origin").splitlines():
            commit, _, ref = line.partition("\t")
            branch = ref.removeprefix(_HEADS)
            # one that is not UTF-8 is in no workflow file either
            if branch != ref and "\ufffd" not in branch and is_ref(f"refs/{branch}"):
                found[branch] = commit
        return found

    def fetch(self, branches: Iterable[str], commits: int = 1) -> dict[str, str]:
        """Get the newest commits of the branches; the newest of each, which may be newer than was listed.

        Files come when they are read, where the server can do that.
        """
        wanted = list(branches)
        if not wanted:
            return {}
        specs = "".join(f"+{_HEADS}{branch}:{_HEADS}{branch}\n" for branch in wanted)
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--stdin")
        self._git("fetch", f"--depth={commits}", "--filter=blob:none", *options, "origin", given=specs)
        return {each: self._git("rev-parse", "--verify", f"{_HEADS}{each}^{{commit}}") for each in wanted}

    def since(self, before: str, commit: str) -> list[str] | None:
        """The fetched commits after `before` up to `commit`, oldest first; None where `before` was not
        fetched with them."""
        known = self._git("rev-list", "--topo-order", commit).splitlines()
        if before not in known:
            return None
        return self._git("rev-list", "--topo-order", "--reverse", commit, f"^{before}").splitlines()

    def files(self, commit: str) -> Iterator[tuple[str, bytes]]:
        """Path and content of each workflow file; of a content no more than one byte over what a workflow
        file may have. Links are not followed."""
        listed = self._git("ls-tree", "-z", commit, "--", f"{FOLDER}/")
        for entry in filter(None, listed.split("\0")):
            facts, _, path = entry.partition("\t")
            mode, _, blob = facts.split(" ")
            if mode in {"100644", "100755"} and PurePosixPath(path).suffix in _SUFFIXES:
                yield path, self._content(blob)

    def _content(self, blob: str) -> bytes:
        with tempfile.TemporaryFile() as file:
            found = self._git.raw("cat-file", "blob", blob, into=file)
            if found.returncode:
                raise CheckoutError(f"git can't read the blob {blob}")
            file.seek(0)
            return file.read(MAX_BYTES + 1)
