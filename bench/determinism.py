"""Which share of a thousand texts stays the same when something else about the run changes.

    python bench/determinism.py [--model smollm2-135m] [--sequences 16] [--max-new-tokens 8]

All runs are compared with one of batch size 16. A run killed in its middle and resumed must be
the same to the byte; elsewhere another shape of a batch adds up in another order, and a text may
part where two tokens were nearly as likely.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import click
from prompts import PROMPTS

from job.generate.outputs import ROWS
from job.generate.run import run
from job.generate.settings import Settings


def read_texts(folder: Path) -> dict[tuple[str, int], str]:
    """The texts of a run by prompt and sequence number."""
    lines = (folder / ROWS).read_text("utf-8").splitlines()
    return {(row["prompt"], row["sequence"]): row["text"] for row in map(json.loads, lines)}


def run_and_kill(settings: Settings, folder: Path) -> None:
    """Start the run in a process of its own and kill it when half of its rows are written."""
    flags = [
        f"--{name.replace('_', '-')}={getattr(settings, name)}"
        for name in ("model", "prompts", "num_return_sequences", "max_new_tokens", "batch_size")
    ]
    rows = folder / ROWS
    half = len(PROMPTS) * settings.num_return_sequences // 2
    command = [sys.executable, "-m", "job", "generate", f"--output={folder}", *flags]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not rows.exists() or rows.read_bytes().count(b"\n") < half:
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)


@click.command()
@click.option("--model", default="smollm2-135m", show_default=True)
@click.option("--sequences", default=16, show_default=True, help="Texts for each of the 64 prompts.")
@click.option("--max-new-tokens", default=8, show_default=True)
def main(model: str, sequences: int, max_new_tokens: int) -> None:
    """Print the share of equal texts for each change."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)

        def write_prompts(name: str, prompts: tuple[str, ...]) -> str:
            (folder / name).write_text("".join(f"{prompt}\n" for prompt in prompts), "utf-8")
            return str(folder / name)

        baseline = Settings(
            model=model,
            prompts=write_prompts("all.txt", PROMPTS),
            num_return_sequences=sequences,
            max_new_tokens=max_new_tokens,
            batch_size=16,
        )

        def compare(change: str, **changed: object) -> None:
            output = folder / change.replace(" ", "-")
            settings = Settings(**{name: getattr(baseline, name) for name in Settings.__slots__} | changed)
            if change == "killed and resumed":
                run_and_kill(settings, output)
            run(settings, output)
            texts, expected = read_texts(output), read_texts(folder / "baseline")
            equal = sum(text == expected[key] for key, text in texts.items())
            click.echo(f"{change:26} {equal:5} of {len(texts):5}  {equal / len(texts):7.2%}")
            if change == "killed and resumed":
                same = (output / ROWS).read_bytes() == (folder / "baseline" / ROWS).read_bytes()
                assert same, "a resumed run must be the same to the byte"

        click.echo(
            f"{model}, {os.cpu_count()} cores: {max_new_tokens} new tokens each, against batch size 16"
        )
        run(baseline, folder / "baseline")
        compare("killed and resumed")
        compare("prompts in another order", prompts=write_prompts("order.txt", PROMPTS[::-1]))
        compare("half of the prompts", prompts=write_prompts("half.txt", PROMPTS[::2]))
        for size in (3, 64, 1):
            compare(f"batch size {size}", batch_size=size)


if __name__ == "__main__":
    main()
