"""`python -m job download`: the objects under an S3 URL, into a folder (s3-download@v1)."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click

from job.errors import InputError
from job.storage.s3.errors import translate_errors


@click.command("download")
@click.option("--url", required=True, help="s3://BUCKET/PREFIX.")
@click.option("--path", "target", required=True, type=click.Path(path_type=Path), help="Folder to fill.")
@click.option("--region", help="Region of the bucket.")
@click.option("--endpoint", help="URL of an S3 that is not Amazon's.")
def command(url: str, target: Path, region: str | None, endpoint: str | None) -> None:
    """Download every object under a URL, with the credentials that boto3 finds."""
    count, size = download(url, target, (), region=region, endpoint=endpoint)
    click.echo(f"{url}: {count} files, {size} bytes, in {target}")


def download(
    url: str, target: Path, keys: Sequence[str], *, region: str | None, endpoint: str | None
) -> tuple[int, int]:
    """Write every object under `url` (`s3://bucket/prefix`) below `target`; the number of files and bytes.

    `keys` is the access key and its secret; without them boto3 looks for credentials itself. Raises
    InputError if there is no object, a key would leave the folder or the endpoint is no URL, StoreError
    if S3 refuses, and UnavailableError if that may pass.
    """
    import boto3
    from botocore.config import Config

    parts = urlsplit(url, allow_fragments=False)
    prefix = parts.path.removeprefix("/")
    access, secret = [*keys, None, None][:2]
    count = size = 0
    with translate_errors(url):
        try:
            client = boto3.client(
                "s3",
                region_name=region or None,
                endpoint_url=endpoint or None,
                aws_access_key_id=access,
                aws_secret_access_key=secret,
                config=Config(retries={"mode": "standard", "max_attempts": 5}),
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


def _target_path(target: Path, prefix: str, key: str) -> Path:
    """The file for a key: a prefix that ends in `/` is a folder, any other may be one object."""
    folder = prefix if prefix.endswith("/") else prefix.rpartition("/")[0]
    name = key[len(folder) :].lstrip("/")
    if key.startswith(f"{prefix}/"):
        name = key[len(prefix) + 1 :]
    if any(part in {"", ".", ".."} for part in name.split("/")):
        raise InputError(f"{key!r}: the object's name leads out of the folder; the download was stopped")
    return target / name
