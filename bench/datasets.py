"""Moving files to and from an S3 server: datasets beside s5cmd, rclone and the aws cli.

    python bench/datasets.py --endpoint http://127.0.0.1:9000 --bucket bench [--rounds 3] [--large 1024]

Every tool runs in another process, one after the other in each round, with the same files and the
same server; the table gives the median of the rounds, start-up included, the CPU time of the tool itself,
and the peak memory. What was stored is deleted in between. Tools that are not on PATH are left out.
Credentials come from the environment. What is verified: datasets
compare every byte's sha256 at a download, and what the store lists at an upload; rclone compares MD5
sums (--checksum); s5cmd and the aws cli compare nothing more than the transfer does.
"""

import os
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from job.storage.open import open_store

Command = Callable[[str, Path], Sequence[str]]


@dataclass(frozen=True)
class Tool:
    """Its command lines: a folder to a prefix of the bucket, and back to a new folder."""

    upload: Command
    download: Command


def tools(endpoint: str, bucket: str) -> dict[str, Tool]:
    store = f"s3://{bucket}/datasets?endpoint={endpoint}"
    textgen = [sys.executable, "-m", "argo", "dataset"]
    s5 = ["s5cmd", "--endpoint-url", endpoint, "--log", "error"]
    aws = ["aws", "--endpoint-url", endpoint, "s3", "cp", "--recursive", "--only-show-errors"]
    remote = f":s3,provider=Other,env_auth=true,force_path_style=true,endpoint='{endpoint}':{bucket}"
    rclone = ["rclone", "copy", "--checksum", "--transfers", "16", "--config", os.devnull, "-q"]
    return {
        "textgen": Tool(
            lambda key, folder: [*textgen, "commit", key, str(folder), "--store", store],
            lambda key, folder: [*textgen, "get", key, str(folder), "--store", store],
        ),
        "s5cmd": Tool(
            lambda key, folder: [*s5, "cp", f"{folder}/", f"s3://{bucket}/{key}/"],
            lambda key, folder: [*s5, "cp", f"s3://{bucket}/{key}/*", f"{folder}/"],
        ),
        "rclone": Tool(
            lambda key, folder: [*rclone, str(folder), f"{remote}/{key}"],
            lambda key, folder: [*rclone, f"{remote}/{key}", str(folder)],
        ),
        "aws": Tool(
            lambda key, folder: [*aws, str(folder), f"s3://{bucket}/{key}/"],
            lambda key, folder: [*aws, f"s3://{bucket}/{key}/", str(folder)],
        ),
    }


def timed(command: Sequence[str]) -> tuple[float, float, int]:
    """Seconds, seconds of CPU, and peak memory (MiB) of a process, whose output is dropped."""
    started = time.perf_counter()
    program = shutil.which(command[0]) or command[0]
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawn(program, list(command), dict(os.environ), file_actions=silent)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"{command} failed")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def clean(endpoint: str, bucket: str, key: str) -> None:
    store = open_store(f"s3://{bucket}?endpoint={endpoint}")
    for prefix in (f"{key}/", f"datasets/default/{key}/"):
        store.delete([item.key for item in store.list_objects(prefix)])


def sources(root: Path, large: int) -> dict[str, Path]:
    """Two folders: 1,000 files of 4 KiB, and one file of `large` MiB."""
    many, one = root / "many", root / "one"
    many.mkdir()
    one.mkdir()
    for number in range(1000):
        (many / f"{number:04d}.bin").write_bytes(secrets.token_bytes(4096))
    with (one / "large.bin").open("wb") as file:
        for _ in range(large):
            file.write(secrets.token_bytes(1 << 20))
    return {"1,000 x 4 KiB": many, f"{large:,} MiB": one}


@click.command()
@click.option("--endpoint", required=True)
@click.option("--bucket", required=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--large", default=1024, show_default=True, help="MiB of the large file.")
@click.option("--folder", type=click.Path(path_type=Path), help="The folder for temporary files.")
def main(endpoint: str, bucket: str, rounds: int, large: int, folder: Path | None) -> None:
    """Print a table of seconds, of their ratio to s5cmd's, of CPU, and of peak memory."""
    installed = {
        name: tool
        for name, tool in tools(endpoint, bucket).items()
        if name == "textgen" or shutil.which(name)
    }
    results: dict[tuple[str, str, str], list[tuple[float, float, int]]] = {}
    with tempfile.TemporaryDirectory(dir=folder) as root:
        for what, source in sources(Path(root), large).items():
            for _ in range(rounds):
                for name, tool in installed.items():
                    key = f"{name}-{secrets.token_hex(4)}"
                    target = Path(root) / key
                    results.setdefault((what, "up", name), []).append(timed(tool.upload(key, source)))
                    results.setdefault((what, "down", name), []).append(timed(tool.download(key, target)))
                    if sum(1 for path in target.rglob("*") if path.is_file()) != len(list(source.iterdir())):
                        raise SystemExit(f"{name}: not all files came back")
                    shutil.rmtree(target)
                    clean(endpoint, bucket, key)
    click.echo("| | direction | tool | seconds | to s5cmd | CPU s | memory MiB |\n" + "|---" * 7 + "|")
    for (what, direction, name), rows in results.items():
        seconds = statistics.median(row[0] for row in rows)
        anchor = statistics.median(row[0] for row in results.get((what, direction, "s5cmd"), rows))
        cpu = statistics.median(row[1] for row in rows)
        memory = max(row[2] for row in rows)
        numbers = f"{seconds:.2f} | {seconds / anchor:.2f} | {cpu:.2f} | {memory}"
        click.echo(f"| {what} | {direction} | {name} | {numbers} |")


if __name__ == "__main__":
    main()
