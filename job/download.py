"""`python -m job download`: the objects under an S3 URL, in a folder."""

from pathlib import Path

import click

from job.pod.s3 import download


@click.command("download")
@click.option("--url", required=True, help="s3://BUCKET/PREFIX.")
@click.option("--path", "target", required=True, type=click.Path(path_type=Path), help="The folder to fill.")
@click.option("--region", help="The bucket's region.")
@click.option("--endpoint", help="The address of an S3 that is not Amazon's.")
def command(url: str, target: Path, region: str | None, endpoint: str | None) -> None:
    """Fetch every object under a URL; the credentials come from where boto3 finds them."""
    count, size = download(url, target, (), region=region, endpoint=endpoint)
    click.echo(f"{url}: {count} files, {size} bytes, in {target}")
