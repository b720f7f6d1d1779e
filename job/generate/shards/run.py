"""`python -m job shard`: the texts of one shard of a run that `plan` divided."""

import platform
import warnings
from dataclasses import asdict
from pathlib import Path

import click

from job.command import FilePath
from job.generate.formats import check_format
from job.generate.generation import complete, format_now, generate_texts
from job.generate.options import exit_on_sigterm
from job.generate.output_rows import count_outputs
from job.generate.outputs import open_outputs
from job.generate.progress import ProgressFiles
from job.generate.shards.shard import Shard, ShardRows, read_shard
from job.termination import report_termination


def run_shard(folder: Path, outputs: Path) -> None:
    """Generate the texts of the shard in `folder` into `outputs`, or those that are missing there.

    Raises InputError before the model's weights are loaded, TextgenError if the disk or the device fails.
    """
    shard = read_shard(folder)
    if not shard.texts:
        _finish_empty(shard, outputs)
        return
    check_format(shard.settings)
    rows = ShardRows(shard, folder)
    rows.check()
    generate_texts(rows, shard.prompts, outputs)


def _finish_empty(shard: Shard, folder: Path) -> None:
    """Leave the outputs of a shard that has no texts, as there are more shards than texts."""
    record = {
        "settings": asdict(shard.settings),
        "prompts": 0,
        "python": platform.python_version(),
        "started": format_now(),
        "left_out": 0,
    }
    with open_outputs(folder) as outputs:
        outputs.write_record(complete(record, 0, count_outputs([], shard.settings), 0, 0.0))
        ProgressFiles(folder, 0, 0, is_shard=True).write()


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", type=FilePath())
@click.option(
    "--output",
    "outputs",
    type=FilePath(),
    required=True,
    help="Folder for the texts; a shard that was stopped in it continues.",
)
@report_termination
def command(folder: Path, outputs: Path) -> None:
    """Generate the texts of the shard that `plan` left in FOLDER."""
    exit_on_sigterm()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_shard(folder, outputs)
