"""Many rows through a run that is killed three times, and through shards each of which is killed once.

    python bench/rows.py [--rows 1000000]
    python bench/rows.py --rows 1000 --engine openvino --model smollm2-135m

Both have to leave the bytes of a run that nothing disturbs. Printed are the seconds and the largest
resident memory of each process.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from job.generate.outputs import ROWS

KILLS = 3


class Process:
    """A `python -m job` command; at its end it prints its seconds and memory."""

    def __init__(self, name: str, *arguments: object) -> None:
        self.name, self.started = name, time.monotonic()
        command = [sys.executable, "-m", "job", *map(str, arguments)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def wait(self) -> None:
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        seconds, mebibytes = time.monotonic() - self.started, usage.ru_maxrss / 1024
        how = {0: "", -signal.SIGKILL: ", killed"}[self.process.returncode]
        click.echo(f"{self.name}: {seconds:.1f} s, {mebibytes:.0f} MiB{how}")

    def kill_at(self, path: Path, size: int) -> None:
        """Kill it when a file has so many bytes."""
        while not path.exists() or path.stat().st_size < size:
            assert os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
            time.sleep(0.01)
        self.process.kill()


def write_rows(path: Path, rows: int) -> None:
    with path.open("w") as file:
        for number in range(rows):
            file.write(json.dumps({"id": f"row-{number}", "prompt": f"The number {number} is"}) + "\n")


def digest(paths: Iterable[Path]) -> str:
    """The sha256 of the files, one after the other."""
    sha256 = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                sha256.update(chunk)
    return sha256.hexdigest()


def compare(name: str, whole: Path, parts: Sequence[Path]) -> None:
    assert digest([whole]) == digest(parts), f"{name}: other bytes"
    click.echo(f"{name}: the same {whole.stat().st_size} bytes")


@click.command()
@click.option("--rows", default=1_000_000)
@click.option("--shards", default=4)
@click.option("--engine", default="echo")
@click.option("--model", default="smollm2-135m")
def main(rows: int, shards: int, engine: str, model: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_rows(folder / "rows.jsonl", rows)
        settings = ["--prompts", folder / "rows.jsonl", "--engine", engine, "--model", model]
        settings += ["--num-return-sequences", 1, "--max-new-tokens", 8]
        whole = folder / "whole" / ROWS
        Process("a run", "generate", *settings, "--output", folder / "whole").wait()
        size = whole.stat().st_size
        for kill in range(1, KILLS + 1):
            process = Process(f"run {kill}", "generate", *settings, "--output", folder / "killed")
            process.kill_at(folder / "killed" / ROWS, size * kill // (KILLS + 1))
            process.wait()
        Process("the last run", "generate", *settings, "--output", folder / "killed").wait()
        compare(f"a run killed {KILLS} times", whole, [folder / "killed" / ROWS])
        Process("plan", "plan", "--shards", shards, *settings, folder / "plan").wait()
        for shard in range(shards):
            output = folder / f"shard-{shard}"
            arguments = ["shard", folder / "plan" / f"{shard:05}", "--output", output]
            process = Process(f"shard {shard}", *arguments)
            process.kill_at(output / ROWS, size // shards * (shard + 1) // (shards + 1))
            process.wait()
            Process(f"shard {shard} again", *arguments).wait()
        parts = [folder / f"shard-{shard}" / ROWS for shard in range(shards)]
        compare(f"{shards} shards, each killed once", whole, parts)


if __name__ == "__main__":
    main()
