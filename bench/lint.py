"""How long `textgen lint` takes for 100 files, as a process and for each file.

    python bench/lint.py [FOLDER] [--rounds 5]

The files are those of FOLDER, over and over until there are 100; by default this repository's own
workflows. Anchor: under 2 seconds for the process.
"""

import itertools
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from argo.language import check


@click.command()
@click.argument(
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(__file__).parents[1] / ".gradient" / "workflows",
)
@click.option("--rounds", default=5, show_default=True)
def main(folder: Path, rounds: int) -> None:
    """Print the seconds of the process and the milliseconds of a file."""
    sources = sorted(folder.glob("*.yaml"))
    with tempfile.TemporaryDirectory() as scratch:
        files = [Path(scratch, f"{number}.yaml") for number in range(100)]
        for file, source in zip(files, itertools.cycle(sources), strict=False):
            shutil.copy(source, file)
        size = sum(file.stat().st_size for file in files)
        process = statistics.median(_seconds_as_process(scratch) for _ in range(rounds))
        one = statistics.median(_seconds(file) for file in files)
    print(f"100 files, {size / 1024:.0f} KiB")
    print(f"textgen lint, the process   {process:8.2f} s    anchor: 2 s")
    print(f"one file, median            {one * 1000:8.1f} ms")


def _seconds_as_process(folder: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "argo", "lint", folder], capture_output=True, check=False)
    return time.perf_counter() - started


def _seconds(file: Path) -> float:
    started = time.perf_counter()
    check(file)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
