"""Downloads take the keys that a file names or none; what S3 answers is one line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.exceptions import RetriesExceededError
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    PartialCredentialsError,
    ReadTimeoutError,
)

from job.checkout.download import download
from job.errors import InputError, StoreError, TextgenError
from job.storage.s3.location import Credentials
from job.storage.store import UnavailableError
from tests.storage.servers import EVERY

private_server = pytest.mark.parametrize("server", [s for s in EVERY if s != "ministack"], indirect=True)

URL = "s3://bucket/some/prefix"
SLOW: Any = ReadTimeoutError(endpoint_url="http://s3.test")
ANSWER: Any = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}


class Failing:
    """A client that fails at `step`; elsewhere it answers like a bucket with one object."""

    def __init__(self, step: str, error: Exception) -> None:
        self.step, self.error = step, error

    def at(self, step: str) -> "Failing":
        if step == self.step:
            raise self.error
        return self

    def get_paginator(self, _: str) -> "Failing":
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        self.at("list")
        return [{"Contents": [{"Key": "some/prefix/a", "Size": 1}]}]

    def download_file(self, *_: str) -> None:
        self.at("get")


@pytest.mark.parametrize(
    ("step", "error", "kind", "message"),
    [
        ("start", PartialCredentialsError(provider="env", cred_var="x"), StoreError, "Partial credentials"),
        ("start", ValueError("Invalid endpoint: x"), InputError, "Invalid endpoint"),
        ("list", EndpointConnectionError(endpoint_url="http://s3.test"), UnavailableError, "http://s3.test"),
        ("get", RetriesExceededError(SLOW), UnavailableError, "Read timeout"),
        (
            "get",
            ClientError(ANSWER, "GetObject"),
            StoreError,
            "is private; write access-key and secret-access-key",
        ),
    ],
)
def test_a_failure_names_the_url(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    error: Exception,
    kind: type[TextgenError],
    message: str,
) -> None:
    failing = Failing(step, error)
    monkeypatch.setattr(boto3, "client", lambda *_, **__: failing.at("start"))
    with pytest.raises(kind, match=message) as raised:
        download(URL, tmp_path, None, region=None, endpoint=None)
    assert type(raised.value) is kind
    assert str(raised.value).startswith(f"{URL}: ")


@pytest.fixture
def filled(boto: Any, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a private folder, which this process's environment and profile have the keys for."""
    boto.put_object(Bucket=bucket, Key=f"{tmp_path.name}/deep/file", Body=b"text")
    for name in ("credentials", "config"):
        section = f"[default]\naws_access_key_id = {os.environ['AWS_ACCESS_KEY_ID']}\n"
        (tmp_path / name).write_text(
            f"{section}aws_secret_access_key = {os.environ['AWS_SECRET_ACCESS_KEY']}\n"
        )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return f"s3://{bucket}/{tmp_path.name}/"


@private_server
def test_a_private_bucket_needs_keys_that_the_file_names(filled: str, server: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as raised:
        download(filled, tmp_path / "to", None, region=None, endpoint=server)
    assert str(raised.value) == (
        f"{filled}: the bucket is private; write access-key and secret-access-key of a user who may list and "
        "read it"
    )
    with pytest.raises(StoreError, match="does not take these access-key and secret-access-key"):
        download(filled, tmp_path / "to", Credentials("someone", "wrong-key"), region=None, endpoint=server)
    keys = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    assert download(filled, tmp_path / "to", keys, region=None, endpoint=server) == (1, 4)


@private_server
def test_a_token_of_this_process_goes_with_no_keys_of_a_file(
    filled: str, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", "another's")
    assert download(filled, tmp_path / "to", keys, region=None, endpoint=server) == (1, 4)


@private_server
def test_a_public_bucket_needs_no_keys(
    filled: str, server: str, boto: Any, bucket: str, tmp_path: Path
) -> None:
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    actions = ["s3:ListBucket", "s3:GetObject"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": actions, "Resource": resources}
    boto.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    try:
        assert download(filled, tmp_path / "to", None, region=None, endpoint=server) == (1, 4)
    finally:
        boto.delete_bucket_policy(Bucket=bucket)
    assert (tmp_path / "to" / "deep" / "file").read_bytes() == b"text"


@private_server
def test_the_command_reads_keys_of_its_own_variables(filled: str, server: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "job", "download", "--url", filled, "--path", str(tmp_path / "to")]

    def call(**variables: str) -> "subprocess.CompletedProcess[str]":
        env = {**os.environ, **variables}
        return subprocess.run(
            [*words, "--endpoint", server], env=env, capture_output=True, text=True, check=False
        )

    refused = call()
    assert refused.returncode == 1
    assert "the bucket is private" in refused.stderr
    half = call(TEXTGEN_S3_ACCESS_KEY="x")
    assert half.returncode == 2
    assert "belong together" in half.stderr
    keys = {
        "TEXTGEN_S3_ACCESS_KEY": os.environ["AWS_ACCESS_KEY_ID"],
        "TEXTGEN_S3_SECRET_ACCESS_KEY": os.environ["AWS_SECRET_ACCESS_KEY"],
    }
    assert call(**keys).returncode == 0


def test_an_endpoint_of_this_process_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = []
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://the-store.test")
    make = boto3.client

    def client(*words: Any, **options: Any) -> Any:
        clients.append(make(*words, **options))
        return Failing("list", EndpointConnectionError(endpoint_url="http://s3.test"))

    monkeypatch.setattr(boto3, "client", client)
    with pytest.raises(UnavailableError):
        download(URL, tmp_path, None, region="eu-west-1", endpoint=None)
    assert clients[0].meta.endpoint_url == "https://s3.eu-west-1.amazonaws.com"
