"""Which share of a thousand texts stays the same when something else about the run changes.

    python bench/determinism.py [--model smollm2-135m] [--engine openvino --dtype int8]

Without --engine, all engines are run, in each dtype that this machine has. All runs are compared with one
of 16 slots. With openvino all texts have to be the same, to the bit; with transformers those of a run that
was killed and resumed: elsewhere another shape of a batch adds up in another order, and a text may part
where two tokens were nearly as likely.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
from prompts import PROMPTS

from job.generate.engines.choose import open_engine
from job.generate.engines.engine import Row
from job.generate.engines.openvino.dtypes import list_dtypes
from job.generate.outputs import ROWS
from job.generate.prompts.prompt import Prompt
from job.generate.run import run
from job.generate.settings import Settings

SLOTS = 16
KILLS = 3
ALONE = 100

Texts = dict[tuple[str, int], tuple[int, ...]]


class Runs:
    """An engine in a dtype: the texts that it makes of rows, in their order and with a number of slots."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.tokenizer = open_engine(settings).tokenizer

    def rows(self) -> list[Row]:
        return [
            Row(Prompt(text, text), self.tokenizer.encode(text), sequence, self.settings.max_new_tokens)
            for text in PROMPTS
            for sequence in range(1, self.settings.num_return_sequences + 1)
        ]

    def generate(self, calls: Sequence[Sequence[Row]], slots: int = SLOTS) -> Texts:
        """The texts of all rows; those of a call are made together."""
        generate = open_engine(replace(self.settings, batch_size=slots)).load(128)
        return {
            (row.prompt.text, row.sequence): completion.token_ids
            for rows in calls
            for row, completion in generate(rows)
        }


def kill_and_resume(settings: Settings, folder: Path) -> bytes:
    """The rows of a run that was killed three times, and resumed."""
    rows = folder / ROWS
    flags = [
        f"--{name.replace('_', '-')}={getattr(settings, name)}"
        for name in ("model", "engine", "dtype", "prompts", "num_return_sequences", "max_new_tokens")
    ]
    command = [sys.executable, "-m", "job", "generate", f"--output={folder}", *flags]
    total = len(PROMPTS) * settings.num_return_sequences
    for kill in range(1, KILLS + 1):
        with subprocess.Popen([*command, f"--batch-size={SLOTS}"], stderr=subprocess.DEVNULL) as process:
            while not rows.exists() or rows.read_bytes().count(b"\n") < total * kill // (KILLS + 1):
                assert process.poll() is None, "the run ended before it could be killed"
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
    run(replace(settings, batch_size=SLOTS), folder)
    return rows.read_bytes()


def measure(settings: Settings, folder: Path) -> None:
    """Print the share of equal texts for each change."""
    runs = Runs(settings)
    rows = runs.rows()
    expected = runs.generate([rows])

    def compare(change: str, texts: Texts) -> None:
        equal = sum(expected[key] == token_ids for key, token_ids in texts.items())
        click.echo(f"| {settings.engine} | {settings.dtype} | {change} | {equal} of {len(texts)} |")

    compare("again", runs.generate([rows]))
    compare("reversed", runs.generate([rows[::-1]]))
    for slots in (2, 3, 64):
        compare(f"{slots} slots", runs.generate([rows], slots))
    compare("alone", runs.generate([[row] for row in rows[:: len(rows) // ALONE]][:ALONE]))
    run(replace(settings, batch_size=SLOTS), folder / "whole")
    whole = (folder / "whole" / ROWS).read_bytes()
    resumed = kill_and_resume(settings, folder / "killed")
    equal = sum(map(bytes.__eq__, whole.splitlines(), resumed.splitlines()))
    total = len(json.loads(f"[{','.join(resumed.decode().splitlines())}]"))
    change = f"killed {KILLS} times and resumed"
    click.echo(f"| {settings.engine} | {settings.dtype} | {change} | {equal} of {total} |")


@click.command()
@click.option("--model", default="smollm2-135m", show_default=True)
@click.option("--engine", "engines", multiple=True, default=("openvino", "transformers"))
@click.option("--dtype", "dtypes", multiple=True, help="By default all that there are.")
@click.option("--sequences", default=16, show_default=True, help="Texts for each of the 64 prompts.")
@click.option("--max-new-tokens", default=8, show_default=True)
def main(
    model: str, engines: tuple[str, ...], dtypes: tuple[str, ...], sequences: int, max_new_tokens: int
) -> None:
    """Print the share of equal texts for each change."""
    warnings.simplefilter("ignore")
    click.echo(f"{model}: {64 * sequences} texts of {max_new_tokens} tokens, against {SLOTS} slots\n")
    click.echo("| engine | dtype | changed | equal texts |\n|---|---|---|---|")
    for engine in engines:
        for dtype in dtypes or list_dtypes():
            if engine == "transformers" and dtype == "int8":
                continue
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary)
                (folder / "prompts.txt").write_text("".join(f"{text}\n" for text in PROMPTS), "utf-8")
                settings = Settings(
                    model=model,
                    engine=engine,
                    device="cpu",
                    dtype=dtype,
                    prompts=str(folder / "prompts.txt"),
                    num_return_sequences=sequences,
                    max_new_tokens=max_new_tokens,
                )
                measure(settings, folder)


if __name__ == "__main__":
    main()
