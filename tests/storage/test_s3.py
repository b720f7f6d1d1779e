"""Requests to an S3 store: their credentials, and what goes wrong."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from job.datasets import Credentials, DatasetRef, Datasets
from job.errors import StoreError
from job.storage.store import UnavailableError
from tests.storage.proxy import CONDITIONAL_FAULTS, NONE, Fault, Proxy, Request, first
from tests.storage.servers import on_every_server

Make = Callable[..., Path]


pytestmark = pytest.mark.usefixtures("no_waiting")


@on_every_server
@pytest.mark.parametrize("times", [1, 3])
def test_put_if_absent_says_whose_bytes_are_there(behind: str, proxy: Proxy, times: int) -> None:
    store = Datasets.at(behind).store
    for case, fault in CONDITIONAL_FAULTS.items():
        proxy.fault = first(lambda request: request.conditional, fault, times)
        assert store.put_if_absent(case.replace(" ", "-"), b"mine"), case
        proxy.fault = first(lambda request: request.conditional, fault, times)
        assert not store.put_if_absent(case.replace(" ", "-"), b"another's"), case
        assert store.get(case.replace(" ", "-")) == b"mine"


WRONG = {
    "NoSuchBucket": "there is no such bucket",
    "InvalidAccessKeyId": "does not take these credentials",
    "SignatureDoesNotMatch": "does not take these credentials",
    "ExpiredToken": "credentials have expired",
    "AccessDenied": "lack a right",
    "RequestTimeTooSkewed": "clock is too far from the store's",
    "XMinioStorageFull": "the store is full",
    "SomethingNew": "SomethingNew: ",
}


@pytest.mark.parametrize("moment", ["reading", "sending", "deciding"])
def test_what_a_store_refuses_is_one_line(
    behind: str, proxy: Proxy, demo: DatasetRef, make: Make, moment: str
) -> None:
    def refused(code: str) -> Callable[[Request], Fault]:
        def hit(request: Request) -> Fault:
            now = "deciding" if request.conditional else "sending" if request.method == "PUT" else "reading"
            return Fault(answer=403, code=code) if now == moment else NONE

        return hit

    datasets = Datasets.at(behind)
    for code, message in WRONG.items():
        proxy.fault = refused(code)
        with pytest.raises(StoreError) as caught:
            datasets.commit_version(demo, make(), lineage={})
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not isinstance(caught.value, UnavailableError)


@pytest.mark.parametrize("moment", ["reading", "sending"])
def test_a_store_that_may_answer_later_has_an_error_of_its_own(
    behind: str, proxy: Proxy, demo: DatasetRef, make: Make, moment: str
) -> None:
    method = "GET" if moment == "reading" else "PUT"
    proxy.fault = lambda request: Fault(answer=503, code="SlowDown") if request.method == method else NONE
    with pytest.raises(UnavailableError, match="can't take requests just now"):
        Datasets.at(behind).commit_version(demo, make(), lineage={})


def test_a_bucket_that_is_not_there_is_reported(s3: str, bucket: str, demo: DatasetRef) -> None:
    with pytest.raises(StoreError, match="there is no such bucket; create it"):
        Datasets.at(s3.replace(bucket, f"{bucket}-not")).resolve(demo)


def test_a_server_that_is_not_there_is_reported(s3: str, server: str, demo: DatasetRef) -> None:
    with pytest.raises(UnavailableError, match=r"can't be reached at http://127.0.0.1:1: .*right\?"):
        Datasets.at(s3.replace(server, "http://127.0.0.1:1")).resolve(demo)


def test_credentials_and_region_come_from_a_profile(
    s3: str, demo: DatasetRef, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, secret = (os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    said = f"[mine]\naws_access_key_id={key}\naws_secret_access_key={secret}\nregion=us-east-1\n"
    (tmp_path / "credentials").write_text(said)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    datasets = Datasets.at(s3)
    version = datasets.commit_version(demo, make(), lineage={})
    datasets.fetch(version, tmp_path / "out")
    assert (tmp_path / "out/a.txt").read_text() == "a"


def test_boto3_is_left_out_where_the_environment_says_all(s3: str, make: Make) -> None:
    code = "import pathlib, sys; from job.datasets import Datasets, DatasetRef; "
    code += "datasets = Datasets.at(sys.argv[1]); "
    code += "datasets.commit_version(DatasetRef('demo'), pathlib.Path(sys.argv[2]), lineage={}); "
    code += "print(len(datasets.datasets()), 'boto3' in sys.modules)"
    command = [sys.executable, "-c", code, s3, str(make())]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    assert ran.stdout == "1 False\n"


def test_missing_credentials_are_reported(s3: str, demo: DatasetRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(StoreError, match=r"no credentials for s3://.*: set AWS_ACCESS_KEY_ID"):
        Datasets.at(s3).resolve(demo)


@pytest.mark.parametrize("profile", [False, True])
def test_credentials_of_the_caller_are_used_alone(
    behind: str,
    proxy: Proxy,
    demo: DatasetRef,
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    profile: bool,
) -> None:
    credentials = Credentials(*(os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "another-token")
    if profile:
        text = "[mine]\naws_access_key_id=third-key\naws_secret_access_key=third-secret\n"
        (tmp_path / "credentials").write_text(text)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        monkeypatch.setenv("AWS_PROFILE", "mine")
    before = dict(os.environ)
    datasets = Datasets.at(behind, credentials)
    large = make({"large": b"x" * ((8 << 20) + 1)})
    version = datasets.commit_version(demo, large, lineage={})
    datasets.commit_version(demo, large, lineage={})  # copies the large file, which boto3 does
    datasets.fetch(version, tmp_path / "out")
    list(datasets.collect_garbage())
    assert os.environ == before
    assert len(proxy.seen) > 10
    assert all(credentials.access_key_id in request.authorization for request in proxy.seen)
    assert not any(request.session_token for request in proxy.seen)
    assert credentials.secret_access_key not in repr(credentials)


def test_the_environment_s_session_token_is_sent_with_its_key(
    behind: str, proxy: Proxy, demo: DatasetRef, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token")
    datasets = Datasets.at(behind)
    with suppress(StoreError):  # not every server takes one
        datasets.commit_version(demo, make(), lineage={})
    assert {request.session_token for request in proxy.seen} == {"a-token"}
