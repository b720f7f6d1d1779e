"""A bucket that keeps every version of a key: some stores do not support conditional writes there."""

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from job.datasets import DatasetRef, Datasets
from tests.storage.servers import on_every_server


@on_every_server
def test_nothing_is_lost_in_a_versioned_bucket(
    server: str, boto: Any, demo: DatasetRef, make: Callable[..., Path], tmp_path: Path
) -> None:
    bucket = f"versioned-{secrets.token_hex(4)}"
    boto.create_bucket(Bucket=bucket)
    boto.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    datasets = Datasets.at(f"s3://{bucket}/root?endpoint={server}")
    source = make()
    with ThreadPoolExecutor(8) as pool:
        committed = list(pool.map(lambda _: datasets.commit_version(demo, source, lineage={}).id, range(8)))
    versions = datasets.versions(demo)
    assert sorted(version.id for version in versions) == sorted(committed)
    assert datasets.resolve(demo) == versions[0]
    datasets.delete(versions[0])
    list(datasets.collect_garbage(timedelta(0)))
    assert datasets.resolve(demo).id == versions[1].id
    datasets.fetch(versions[1], tmp_path / "out")
