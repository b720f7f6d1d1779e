"""Where an S3 store is, and who may use it.

    s3://bucket/prefix?endpoint=https://minio.example:9000&region=eu-west-1&addressing=path

Credentials come as boto3 users expect: environment, profile, web identity, container and instance
roles. So do AWS_ENDPOINT_URL_S3, AWS_REGION and AWS_CA_BUNDLE where the URL does not say.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from job.errors import InputError
from job.storage.paths import problem

_OPTIONS = ("endpoint", "region", "addressing")

Addressing = Literal["path", "virtual"]
_ADDRESSING: dict[str | None, Addressing | None] = {None: None, "path": "path", "virtual": "virtual"}


@dataclass(frozen=True, slots=True)
class Location:
    """A bucket and the prefix in it, which is empty or ends with `/`.

    `addressing` is `path` or `virtual`; None: as boto3 does it, which is path style for an endpoint
    of one's own.
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
            near = get_close_matches(name, _OPTIONS, n=1)
            raise InputError(
                f"{url}: unknown option {name!r}; {'did you mean' if near else 'there are'} "
                f"{', '.join(near or _OPTIONS)}"
            )
        if not parts.netloc or (prefix and problem(prefix)):
            raise InputError(f"not a bucket's URL: {url!r}; write s3://bucket/prefix?endpoint=…")
        addressing = options.get("addressing")
        if addressing not in _ADDRESSING:
            raise InputError(f"{url}: addressing is path or virtual, not {addressing!r}")
        endpoint = options.get("endpoint")
        if endpoint and not _is_web(endpoint):
            raise InputError(f"{url}: the endpoint must be like http://host:9000 or https://host")
        return cls(
            parts.netloc,
            f"{prefix}/" if prefix else "",
            endpoint,
            options.get("region"),
            _ADDRESSING[addressing],
        )


def _is_web(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        return parts.scheme in {"http", "https"} and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        return False
