"""s3-download@v1: the objects under an S3 URL, into a folder of the job."""

import re
from collections.abc import Mapping
from typing import Any

from argo.language.actions.action import ActionKind, Argument, Call, read_target
from argo.language.field import Field
from argo.language.model import S3Download
from argo.language.values import read_secret, read_secret_or_string
from job.text import quoted

_KEYS = ("access-key", "secret-access-key")
_URL = re.compile(r"s3://[A-Za-z0-9][A-Za-z0-9._-]{1,254}(/.*)?")
_REGION = re.compile(r"(?!\d+$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9\[][^\s@]*")


def read_url(field: Field) -> str | None:
    """`s3://bucket/prefix`."""
    return _read_matching(field, _URL, "write s3://BUCKET/PREFIX")


def read_endpoint(field: Field) -> str | None:
    """The URL of an S3 that is not Amazon's."""
    return _read_matching(field, _ENDPOINT, "write https://HOST")


def read_region(field: Field) -> str | None:
    """The name of a region, which becomes part of a host's name."""
    text = field.string()
    if text is not None and not _REGION.fullmatch(text):
        field.report(
            "bad-name", f"{quoted(text)} is not a valid name of a region", "write one like us-east-1"
        )
        return None
    return text


def _read_matching(field: Field, pattern: re.Pattern[str], hint: str) -> str | None:
    text = field.string()
    if text is not None and not (pattern.fullmatch(text) and text.isprintable()):
        field.report("bad-url", f"{quoted(text)} is not a valid URL here", hint)
        return None
    return text


def _build(values: Mapping[str, Any], call: Call) -> S3Download | None:
    keys = [name for name in _KEYS if name in call.arguments]
    if len(keys) == 1:
        (other,) = set(_KEYS) - set(keys)
        field = call.arguments[keys[0]]
        field.report(
            "missing-key", f"{quoted(other)} is missing beside it", "write both keys, or none", field.key_at
        )
    path = read_target(call, "s3-download")
    if path is None:
        return None
    return S3Download(
        url=values["url"],
        path=path,
        access_key=values.get("access-key"),
        secret_access_key=values.get("secret-access-key"),
        region=values.get("region"),
        endpoint=values.get("endpoint"),
    )


S3_DOWNLOAD = ActionKind(
    {
        "url": Argument(read_url, required=True),
        "access-key": Argument(read_secret_or_string),
        "secret-access-key": Argument(read_secret),
        "region": Argument(read_region),
        "endpoint": Argument(read_endpoint),
        "path": Argument(Field.string),
    },
    _build,
)
