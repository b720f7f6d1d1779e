"""Private repositories, over https with a password and over ssh with a key."""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from job.checkout.checkout import checkout, count_lfs_pointers
from job.checkout.git import PASSWORD, USERNAME
from job.errors import CheckoutError
from tests.checkout.servers import Git, https, pointer, sshd
from tests.git import add_submodule, git

ATTRIBUTES = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
LARGE = bytes(range(256)) * 1000
NO_LFS = pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not installed (Debian: git-lfs)")


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A folder with outer.git, whose submodule is ../inner.git; both have a file of Git LFS."""
    root = tmp_path / "served"
    for name in ("inner", "outer"):
        bare, work = root / f"{name}.git", tmp_path / name
        git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
        git(tmp_path, "init", "--quiet", "--initial-branch=main", str(work))
        (work / "file").write_text(name)
        (work / ".gitattributes").write_text(ATTRIBUTES)
        (work / "model.bin").write_text(pointer(bare, name.encode() + LARGE))
        if name == "outer":
            add_submodule(work, (root / "inner.git").as_uri(), "inside")
            git(work, "config", "--file=.gitmodules", "submodule.inside.url", "../inner.git")
        git(work, "-c", "filter.lfs.clean=cat", "add", "--all")
        git(work, "commit", "--quiet", "--message=x")
        git(work, "push", "--quiet", str(bare), "main")
    return root


@pytest.fixture
def private(served: Path, tmp_path: Path) -> Iterator[type[Git]]:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed: no certificate for a server of https")
    with https(served, tmp_path, "me:hush") as server:
        yield server


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    """What trusts the test's server and knows its password."""
    trusted = {"GIT_SSL_CAINFO": str(tmp_path / "certificate.pem")}
    return {**os.environ, **trusted, USERNAME: "me", PASSWORD: "hush"}


@NO_LFS
def test_submodules_and_large_files_come_too_with_the_same_password(
    private: type[Git], environ: Mapping[str, str], tmp_path: Path
) -> None:
    new = tmp_path / "new"
    checkout(f"{private.address}/outer.git", None, new, environ)
    assert (new / "inside/file").read_text() == "inner"
    assert (new / "model.bin").read_bytes() == b"outer" + LARGE
    assert (new / "inside/model.bin").read_bytes() == b"inner" + LARGE
    assert not any(b"hush" in path.read_bytes() for path in (new / ".git").rglob("*") if path.is_file())


def test_a_submodule_is_no_folder_of_this_machine(
    private: type[Git], environ: Mapping[str, str], served: Path, tmp_path: Path
) -> None:
    work = tmp_path / "outer"
    git(work, "config", "--file=.gitmodules", "submodule.inside.url", (served / "inner.git").as_uri())
    git(work, "commit", "--quiet", "--all", "--message=x")
    git(work, "push", "--quiet", str(served / "outer.git"), "main")
    with pytest.raises(CheckoutError, match="transport 'file' not allowed"):
        checkout(f"{private.address}/outer.git", None, tmp_path / "new", environ)
    assert not (tmp_path / "new/inside/file").exists()


@NO_LFS
def test_large_files_come_from_a_folder_too(served: Path, tmp_path: Path) -> None:
    checkout(str(served / "inner.git"), "main", tmp_path / "new", os.environ)
    assert (tmp_path / "new/model.bin").read_bytes() == b"inner" + LARGE


@NO_LFS
@pytest.mark.parametrize(
    ("name", "key", "url"),
    [
        ("outer", "lfs.url", "file://{}"),
        ("outer", "remote.origin.lfsurl", "{}"),
        ("inner", "lfs.url", "FILE://{}"),
    ],
)
def test_large_files_come_from_no_other_folder_of_this_machine(
    served: Path, tmp_path: Path, name: str, key: str, url: str
) -> None:
    secret = pointer(tmp_path / "other", b"secret")
    git(tmp_path, "init", "--quiet", "--bare", str(tmp_path / "other"))
    work = tmp_path / name
    (work / "model.bin").write_text(secret)
    git(work, "config", "--file=.lfsconfig", key, url.format(tmp_path / "other"))
    git(work, "-c", "filter.lfs.clean=cat", "add", "--all")
    git(work, "commit", "--quiet", "--message=x")
    git(work, "push", "--quiet", str(served / f"{name}.git"), "main")
    if name == "inner":
        inside = tmp_path / "outer/inside"
        git(inside, "pull", "--quiet", str(served / "inner.git"), "main")
        git(tmp_path / "outer", "commit", "--quiet", "--all", "--message=x")
        git(tmp_path / "outer", "push", "--quiet", str(served / "outer.git"), "main")
    with pytest.raises(CheckoutError, match=rf"\.lfsconfig'?: {key} = .* is no https, http or ssh URL$"):
        checkout(str(served / "outer.git"), None, tmp_path / "new", os.environ)
    assert not any(path.read_bytes() == b"secret" for path in (tmp_path / "new").rglob("*") if path.is_file())


def test_without_git_lfs_large_files_stay_pointers_and_it_says_so(
    served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    checkout(str(served / "inner.git"), None, tmp_path / "new", os.environ)
    assert (tmp_path / "new/model.bin").read_text().startswith("version https://git-lfs")
    assert "git-lfs is not installed" in capsys.readouterr().out
    assert count_lfs_pointers(tmp_path / "new", os.environ) == 1


def test_a_submodule_whose_large_files_can_not_be_had_is_named(
    served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin/git-lfs"
    program.parent.mkdir()
    failing = (
        '[ "$1 $(cat file)" = "pull inner" ] && echo "error: failed to fetch some objects" >&2 && exit 2'
    )
    program.write_text(f"#!/bin/sh\n{failing}\nexit 0\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with pytest.raises(CheckoutError, match=r"^submodule inside: error: failed to fetch some objects$"):
        checkout(str(served / "outer.git"), None, tmp_path / "new", os.environ)


def test_a_wrong_password_is_one_line_that_says_what_to_give(
    private: type[Git], environ: Mapping[str, str], tmp_path: Path
) -> None:
    with pytest.raises(CheckoutError, match=r"^Authentication failed.*password: secret:NAME`, a token"):
        checkout(f"{private.address}/outer.git", None, tmp_path / "new", {**environ, PASSWORD: "wrong"})


@pytest.fixture
def ssh(origin: Path, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of `origin` at an sshd, and the private key that it wants."""
    with sshd("127.0.0.1", tmp_path) as address:
        yield f"{address}{origin}", tmp_path / "ssh-privatekey"


def test_a_key_opens_a_repository_over_ssh(ssh: tuple[str, Path], tmp_path: Path) -> None:
    url, key = ssh
    command = f"ssh -oBatchMode=yes -i {key} -oUserKnownHostsFile={tmp_path}/known_hosts"
    environ = {**os.environ, "GIT_SSH_COMMAND": command}
    checkout(url, "second", tmp_path / "new", environ)
    assert (tmp_path / "new/file").read_text() == "2"
    (tmp_path / "known_hosts").write_text("")
    with pytest.raises(CheckoutError, match=r"^Host key verification failed\. ssh needs a key"):
        checkout(url, None, tmp_path / "strange", environ)
