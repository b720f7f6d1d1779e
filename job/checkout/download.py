"""`python -m job download`: the objects under an S3 URL, into a folder (s3-download@v1).

The keys are those that the workflow file names, or none: whoever writes the file must not read with the
credentials of the store, or of the person who runs it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import click

from job.command import FilePath
from job.errors import InputError, StoreError
from job.storage.s3.errors import translate_errors
from job.storage.s3.location import Credentials
from job.text import counted

ACCESS_KEY, SECRET_ACCESS_KEY = "TEXTGEN_S3_ACCESS_KEY", "TEXTGEN_S3_SECRET_ACCESS_KEY"

_REFUSED = {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}


@click.command("download")
@click.option("--url", required=True, help="s3://BUCKET/PREFIX.")
@click.option("--path", "target", required=True, type=FilePath(), help="Folder to fill.")
@click.option("--region", help="Region of the bucket.")
@click.option("--endpoint", help="URL of an S3 that is not Amazon's.")
def command(url: str, target: Path, region: str | None, endpoint: str | None) -> None:
    """Download every object under a URL.

    TEXTGEN_S3_ACCESS_KEY and TEXTGEN_S3_SECRET_ACCESS_KEY are for a private bucket.
    """
    keys = read_keys(os.environ.get(ACCESS_KEY, ""), os.environ.get(SECRET_ACCESS_KEY, ""))
    count, size = download(url, target, keys, region=region, endpoint=endpoint)
    click.echo(f"{url}: {counted(count, 'file')}, {size} bytes, in {target}")


def read_keys(access_key: str, secret_access_key: str) -> Credentials | None:
    """The credentials; None if both are empty. Raises InputError if one is."""
    if bool(access_key) != bool(secret_access_key):
        raise InputError(
            "access-key and secret-access-key belong together; write both, or none for a public bucket"
        )
    return Credentials(access_key, secret_access_key) if access_key else None


def download(
    url: str, target: Path, keys: Credentials | None, *, region: str | None, endpoint: str | None
) -> tuple[int, int]:
    """Write every object under `url` (`s3://bucket/prefix`) below `target`; the number of files and bytes.

    Without `keys` the requests are not signed. Raises InputError if there is no object, a key would leave
    the folder, or a URL is not valid; StoreError if S3 refuses, UnavailableError if that may pass.
    """
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    parts = urlsplit(url, allow_fragments=False)
    if parts.scheme != "s3":
        raise InputError(f"{url}: not an S3 URL; write s3://BUCKET/PREFIX")
    prefix = parts.path.removeprefix("/")
    count = size = 0
    with translate_errors(url), _explain_refusal(url, keys):
        try:
            client = boto3.client(
                "s3",
                region_name=region or None,
                endpoint_url=endpoint or None,
                aws_access_key_id=keys.access_key_id if keys else None,
                aws_secret_access_key=keys.secret_access_key if keys else None,
                config=Config(  # type: ignore[call-arg]  # its types lack the second
                    signature_version=None if keys else UNSIGNED,
                    ignore_configured_endpoint_urls=True,
                    retries={"mode": "standard", "max_attempts": 5},
                ),
            )
        except ValueError as error:  # an endpoint or a region that can't be one
            raise InputError(f"{url}: {error}") from error
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=parts.netloc, Prefix=prefix):
            for entry in page.get("Contents", ()):
                if entry["Key"].endswith("/"):
                    continue
                path = _target_path(target, prefix, entry["Key"])
                path.parent.mkdir(parents=True, exist_ok=True)
                client.download_file(parts.netloc, entry["Key"], str(path))
                count, size = count + 1, size + entry["Size"]
    if not count:
        raise InputError(f"{url}: no objects there; check the bucket and the path")
    return count, size


@contextmanager
def _explain_refusal(url: str, keys: Credentials | None) -> Iterator[None]:
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if error.response["Error"].get("Code") not in _REFUSED:
            raise
        names = "access-key and secret-access-key"
        reason = (
            f"the bucket does not take these {names}" if keys else f"the bucket is private; write {names}"
        )
        raise StoreError(f"{url}: {reason} of a user who may list and read it") from error


def _target_path(target: Path, prefix: str, key: str) -> Path:
    """The file for a key: a prefix that ends in `/` is a folder, any other may be one object."""
    folder = prefix if prefix.endswith("/") else prefix.rpartition("/")[0]
    name = key[len(folder) :].lstrip("/")
    if key.startswith(f"{prefix}/"):
        name = key[len(prefix) + 1 :]
    if any(part in {"", ".", ".."} for part in name.split("/")):
        raise InputError(f"{key!r}: the object's name leads out of the folder; the download was stopped")
    return target / name
