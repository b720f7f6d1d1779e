"""What S3 answers to a download of any bucket is one line, and what may pass is waited for."""

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
from job.storage.store import UnavailableError

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
        ("get", ClientError(ANSWER, "GetObject"), StoreError, "lack a right"),
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
        download(URL, tmp_path, (), region=None, endpoint=None)
    assert type(raised.value) is kind
    assert str(raised.value).startswith(f"{URL}: ")
