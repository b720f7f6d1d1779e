"""What networks and servers do to requests must not lose, double or tear a version."""

import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from job.datasets import Credentials, DatasetRef, Datasets, Version
from job.errors import StoreError
from job.storage.s3.bucket import S3
from job.storage.store import UnavailableError
from tests.datasets.proxy import NONE, Fault, Proxy, Request
from tests.datasets.servers import free_port, on_every_server, started

Make = Callable[..., Path]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)


def first(matching: Callable[[Request], bool], fault: Fault, times: int = 1) -> Callable[[Request], Fault]:
    """`fault` for the first requests that match."""
    left = iter(range(times))
    return lambda request: fault if matching(request) and next(left, None) is not None else NONE


CONDITIONAL_FAULTS = {
    "its answer is lost": Fault(drop=True),
    "it is lost": Fault(answer=503, drop=True),
    "it is sent twice": Fault(twice=True),
    "it is stored, and answered with 500": Fault(hide=500),
    "it is stored, and answered with 503": Fault(hide=503),
    "it is stored, and answered with 409": Fault(hide=409),
    "it is stored, and answered with 412": Fault(hide=412),
    "it is refused with 409": Fault(answer=409),
    "it is refused with 503": Fault(answer=503),
    "it is refused with 500": Fault(answer=500),
    "it is refused with 429": Fault(answer=429),
}


@on_every_server
@pytest.mark.parametrize("times", [1, 3])
def test_the_log_record_is_stored_once_whatever_happens_to_it(
    behind: str, proxy: Proxy, demo: DatasetRef, make: Make, times: int
) -> None:
    datasets = Datasets.at(behind)
    made: list[Version] = []
    for case, fault in CONDITIONAL_FAULTS.items():
        proxy.fault = first(lambda request: request.conditional, fault, times)
        made.insert(0, datasets.commit_version(demo, make(), lineage={}))
        assert datasets.versions(demo) == made, case


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


ANY_FAULTS = {
    "answers are lost": Fault(drop=True),
    "requests fail with 500": Fault(answer=500),
    "requests fail with 503": Fault(answer=503),
    "answers are cut": Fault(cut=True),
    "requests are doubled": Fault(twice=True),
}


@on_every_server
@pytest.mark.parametrize("case", ANY_FAULTS)
def test_a_version_comes_whole_through_a_network_where(
    behind: str, proxy: Proxy, demo: DatasetRef, make: Make, tmp_path: Path, case: str
) -> None:
    """Every seventh request is hit."""
    datasets = Datasets.at(behind)
    files = {f"{n}": f"{n}" * 50 for n in range(4)}
    source = make({**files, "large": b"x" * ((8 << 20) + 1)})
    proxy.fault = lambda request: ANY_FAULTS[case] if request.number % 7 == 0 else NONE
    version = None
    for _ in range(5):  # people try again
        try:
            version = datasets.commit_version(demo, source, lineage={})
            datasets.fetch(version, tmp_path / "out")
            break
        except StoreError:
            continue
    proxy.fault = lambda _: NONE
    assert version
    assert datasets.resolve(demo) == version
    assert {path.name: path.stat().st_size for path in (tmp_path / "out").iterdir()} == {
        path.name: path.stat().st_size for path in source.iterdir()
    }


@on_every_server
def test_a_race_that_is_lost_is_seen(
    behind: str, s3: str, proxy: Proxy, demo: DatasetRef, make: Make
) -> None:
    other = Datasets.at(s3)
    made: list[Version] = []

    def overtake(request: Request) -> Fault:
        if request.conditional and not made:
            made.append(other.commit_version(demo, make(), lineage={}))
        return NONE

    proxy.fault = overtake
    version = Datasets.at(behind).commit_version(demo, make(), lineage={})
    assert other.versions(demo) == [version, *made]


def test_an_answer_that_comes_too_late_counts_as_lost(
    behind: str, proxy: Proxy, demo: DatasetRef, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("job.storage.s3.clients._READ", 1)
    asked_again = threading.Event()

    def wait() -> None:
        asked_again.wait(60)

    def late(request: Request) -> Fault:
        if request.conditional:
            return Fault(after=wait)
        if "/log/" in request.path and any(seen.conditional for seen in proxy.seen):
            asked_again.set()
        return NONE

    proxy.fault = late
    datasets = Datasets.at(behind)
    version = datasets.commit_version(demo, make(), lineage={})
    assert asked_again.is_set()
    assert datasets.versions(demo) == [version]


def test_a_store_that_never_decides_is_said(behind: str, proxy: Proxy, demo: DatasetRef, make: Make) -> None:
    proxy.fault = lambda request: Fault(answer=503) if request.conditional else NONE
    with pytest.raises(UnavailableError, match=r"log/9{13}8.json could not be put in \d attempts"):
        Datasets.at(behind).commit_version(demo, make(), lineage={})


@pytest.fixture
def unprobed(s3: str) -> str:
    Datasets.at(s3).store.delete(["store.json"])
    return s3


@on_every_server
def test_the_probe_believes_an_honest_store(unprobed: str, caplog: pytest.LogCaptureFixture) -> None:
    store = Datasets.at(unprobed).store
    assert store.supports_conditional_writes()
    assert b'": true' in store.get("store.json")
    assert [found.key for found in store.list_objects("")] == ["store.json"]
    assert caplog.text == ""


@on_every_server
def test_the_probe_survives_lost_answers(unprobed: str, proxy: Proxy) -> None:
    proxy.fault = lambda request: (
        Fault(drop=True) if request.conditional and request.number % 9 == 0 else NONE
    )
    assert Datasets.at(unprobed.replace(proxy.upstream, proxy.url)).store.supports_conditional_writes()


class Lying(S3):
    """A client that leaves the condition out, as a store that ignores it would."""

    def try_put_if_absent(self, key: str, body: bytes) -> bool:
        self.put(key, body)
        return True


def test_the_probe_catches_a_store_that_ignores_the_condition(
    unprobed: str, demo: DatasetRef, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    datasets = Datasets(Lying.at(unprobed))
    with caplog.at_level(logging.WARNING):
        versions = [datasets.commit_version(demo, make(), lineage={}) for _ in range(2)]
    assert "does not support conditional writes (If-None-Match): its clock orders versions" in caplog.text
    assert datasets.versions(demo) == versions[::-1]
    assert not Datasets.at(unprobed).store.supports_conditional_writes()  # it is noted


def test_the_probe_catches_a_store_that_knows_no_condition(unprobed: str, proxy: Proxy) -> None:
    proxy.fault = lambda request: Fault(answer=501) if request.conditional else NONE
    assert not Datasets.at(unprobed.replace(proxy.upstream, proxy.url)).store.supports_conditional_writes()


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
    for code, told in WRONG.items():
        proxy.fault = refused(code)
        with pytest.raises(StoreError) as caught:
            datasets.commit_version(demo, make(), lineage={})
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not isinstance(caught.value, UnavailableError)


@pytest.mark.parametrize("moment", ["reading", "sending"])
def test_a_store_that_may_answer_later_is_told_apart(
    behind: str, proxy: Proxy, demo: DatasetRef, make: Make, moment: str
) -> None:
    method = "GET" if moment == "reading" else "PUT"
    proxy.fault = lambda request: Fault(answer=503, code="SlowDown") if request.method == method else NONE
    with pytest.raises(UnavailableError, match="can't take requests just now"):
        Datasets.at(behind).commit_version(demo, make(), lineage={})


def test_a_bucket_that_is_not_there_is_said(s3: str, bucket: str, demo: DatasetRef) -> None:
    with pytest.raises(StoreError, match="there is no such bucket; create it"):
        Datasets.at(s3.replace(bucket, f"{bucket}-not")).resolve(demo)


def test_a_server_that_is_not_there_is_said(s3: str, server: str, demo: DatasetRef) -> None:
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


def test_missing_credentials_are_said(s3: str, demo: DatasetRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(StoreError, match=r"no credentials for s3://.*: set AWS_ACCESS_KEY_ID"):
        Datasets.at(s3).resolve(demo)


def test_the_probe_catches_rclone(
    tmp_path: Path, demo: DatasetRef, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    rclone = shutil.which("rclone", path=f"{sys.prefix}/bin:{os.environ['PATH']}")
    if rclone is None:
        pytest.skip("rclone is not installed: no server here that ignores the condition")
    (tmp_path / "served/bucket").mkdir(parents=True)
    port = free_port()
    key, secret = "a-key", "a-secret"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    command = [rclone, "serve", "s3", "--auth-key", f"{key},{secret}", "--addr", f"127.0.0.1:{port}"]
    with started([*command, str(tmp_path / "served")], port, {}, tmp_path):
        datasets = Datasets.at(f"s3://bucket/root?endpoint=http://127.0.0.1:{port}")
        versions = [datasets.commit_version(demo, make(), lineage={}) for _ in range(2)]
        assert not datasets.supports_conditional_writes()
        assert datasets.versions(demo) == versions[::-1]
        datasets.fetch(versions[0], tmp_path / "out")


def test_credentials_that_are_given_are_used_alone(
    behind: str,
    proxy: Proxy,
    demo: DatasetRef,
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = Credentials(*(os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "another-token")
    before = dict(os.environ)
    datasets = Datasets.at(behind, given)
    large = make({"large": b"x" * ((8 << 20) + 1)})
    version = datasets.commit_version(demo, large, lineage={})
    datasets.commit_version(demo, large, lineage={})  # copies the large file, which boto3 does
    datasets.fetch(version, tmp_path / "out")
    list(datasets.collect_garbage())
    assert os.environ == before
    assert len(proxy.seen) > 10
    assert all(given.access_key_id in request.authorization for request in proxy.seen)
    assert not any(request.session_token for request in proxy.seen)
    assert given.secret_access_key not in repr(given)


def test_the_environment_s_session_token_is_sent_with_its_key(
    behind: str, proxy: Proxy, demo: DatasetRef, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token")
    datasets = Datasets.at(behind)
    with suppress(StoreError):  # not every server takes one
        datasets.commit_version(demo, make(), lineage={})
    assert {request.session_token for request in proxy.seen} == {"a-token"}
