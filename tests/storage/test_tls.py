"""A store behind TLS, whose certificate an authority of one's own has signed."""

import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from job.datasets import DatasetRef, Datasets
from job.errors import StoreError
from tests.conftest import note_that_it_works
from tests.storage.proxy import proxied

NEW = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """The certificate of an authority, which has signed `server.pem` beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on PATH: no certificates")
    for words in (
        ["-subj", "/CN=an authority", "-keyout", "authority.key", "-out", "authority.pem"],
        [
            *("-subj", "/CN=a store", "-keyout", "server.key", "-out", "server.pem"),
            *("-CA", "authority.pem", "-CAkey", "authority.key"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"),
        ],
    ):
        subprocess.run([*NEW, *words], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path / "authority.pem"


@pytest.fixture
def secured(authority: Path, server: str, s3: str, boto: object, bucket: str) -> Iterator[str]:
    """The URL of the same store as `s3`, by https."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority.with_name("server.pem"), authority.with_name("server.key"))
    with proxied(server, tls) as proxy:
        root = s3.partition("?")[0].partition(f"{bucket}/")[2]
        note_that_it_works(boto, bucket, root, proxy.url)
        yield s3.replace(server, proxy.url)


def test_a_ca_bundle_is_trusted(
    secured: str,
    authority: Path,
    demo: DatasetRef,
    make: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority))
    datasets = Datasets.at(secured)
    version = datasets.commit_version(demo, make({"a": "first"}), lineage={})
    datasets.fetch(version, tmp_path / "out")
    assert (tmp_path / "out/a").read_text() == "first"


def test_an_authority_that_is_not_known_is_reported(
    secured: str, demo: DatasetRef, make: Callable[..., Path]
) -> None:
    with pytest.raises(StoreError, match=r"can't be reached at https://127.0.0.1:.*AWS_CA_BUNDLE"):
        Datasets.at(secured).commit_version(demo, make(), lineage={})


def test_a_ca_bundle_that_is_not_there_is_reported(
    secured: str, demo: DatasetRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/not/there.pem")
    with pytest.raises(StoreError, match=r"AWS_CA_BUNDLE .*/not/there.pem: No such file"):
        Datasets.at(secured).resolve(demo)
