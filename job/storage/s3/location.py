"""Where an S3 store is, and the credentials for it.

    s3://bucket/prefix?endpoint=https://minio.example:9000&region=eu-west-1&addressing=path

Credentials that are not given are found as boto3 does it: environment, profile, web identity, container and
instance roles. AWS_ENDPOINT_URL_S3, AWS_REGION and AWS_CA_BUNDLE count if the URL says nothing.
"""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from job.errors import InputError
from job.storage.paths import find_problem
from job.text import did_you_mean

_OPTIONS = ("endpoint", "region", "addressing")

Addressing = Literal["path", "virtual"]
_ADDRESSING: dict[str | None, Addressing | None] = {None: None, "path": "path", "virtual": "virtual"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A long-term access key and its secret; nothing of the environment's credentials is used with them."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Location:
    """A bucket and the prefix in it, which is empty or ends with `/`.

    `addressing` is `path` or `virtual`; None is boto3's default, which is path style for an endpoint
    that is not Amazon's.
    """

    bucket: str
    prefix: str
    endpoint: str | None
    region: str | None
    addressing: Addressing | None

    @classmethod
    def parse(cls, url: str) -> "Location":
        """Read `s3://bucket[/prefix][?endpoint=…&region=…&addressing=…]`. Raises InputError."""
        try:
            parts = urlsplit(url)
        except ValueError:
            raise InputError(f"not a bucket's URL: {url!r}; write s3://bucket/prefix?endpoint=…") from None
        prefix = unquote(parts.path).strip("/")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        for name in options.keys() - set(_OPTIONS):
            raise InputError(f"{url}: unknown option {name!r}; {did_you_mean(name, _OPTIONS)}")
        if not parts.netloc or (prefix and find_problem(prefix)):
            raise InputError(f"not a bucket's URL: {url!r}; write s3://bucket/prefix?endpoint=…")
        addressing = options.get("addressing")
        if addressing not in _ADDRESSING:
            raise InputError(f"{url}: addressing is path or virtual, not {addressing!r}")
        endpoint = options.get("endpoint")
        if endpoint and not _is_http(endpoint):
            raise InputError(f"{url}: the endpoint must be like http://host:9000 or https://host")
        return cls(
            parts.netloc,
            f"{prefix}/" if prefix else "",
            endpoint,
            options.get("region"),
            _ADDRESSING[addressing],
        )


def _is_http(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        return parts.scheme in {"http", "https"} and parts.port != 0
    except ValueError:  # an invalid port or IPv6 address
        return False
