"""A version, fetched with tools that know nothing of datasets."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from job.datasets import DatasetRef, Datasets, layout
from tests.storage.servers import on_every_server

TOOLS: dict[str, Callable[[str, str, str], list[str]]] = {
    "aws": lambda endpoint, key, to: [
        "--endpoint-url",
        endpoint,
        "s3",
        "cp",
        "--recursive",
        f"s3://{key}",
        to,
    ],
    "rclone": lambda endpoint, key, to: [
        *("copy", "--config", os.devnull),
        *(f":s3,provider=Other,env_auth=true,force_path_style=true,endpoint='{endpoint}':{key}", to),
    ],
}


@on_every_server
@pytest.mark.parametrize("tool", TOOLS)
def test_a_version_fetched_by(
    server: str, s3: str, demo: DatasetRef, make: Callable[..., Path], tmp_path: Path, tool: str
) -> None:
    """Equal to its manifest, and with nothing beside."""
    command = shutil.which(tool, path=f"{sys.prefix}/bin:{os.environ['PATH']}")
    if command is None:
        pytest.skip(f"{tool} is not on PATH")
    names = ["a.txt", "a b", "sub/ü", "sub/+&%25=?#", "empty"]
    files = {name: "" if name == "empty" else name for name in names}
    datasets = Datasets.at(s3)
    version = datasets.commit_version(demo, make({**files, "large": os.urandom(9 << 20)}), lineage={})
    prefix = f"{s3.removeprefix('s3://').partition('?')[0]}/{layout.data_prefix(version.ref, version.id)}"
    subprocess.run([command, *TOOLS[tool](server, prefix, str(tmp_path / "out"))], check=True, timeout=120)
    downloaded = {
        (str(path.relative_to(tmp_path / "out")), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert downloaded == {(file.path, file.sha256) for file in datasets.files(version)}
