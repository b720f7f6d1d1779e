"""`python -m job generate`: settings and prompts in, a folder of texts out."""

import warnings
from pathlib import Path

import click

from job.command import FilePath
from job.generate.check_rows import check_rows
from job.generate.formats import check_format
from job.generate.generation import generate_texts
from job.generate.options import exit_on_sigterm, read_settings, settings_options
from job.generate.prompts.source import open_rows
from job.generate.settings import Settings
from job.termination import report_termination


def run(settings: Settings, folder: Path, overwrite: bool = False) -> None:
    """Generate all texts of a run into `folder`, or continue where an earlier process stopped.

    Raises InputError before the model's weights are loaded, TextgenError if the disk or the device fails,
    or if more rows are bad than there may be.
    """
    check_format(settings)
    with open_rows(settings, folder) as source:
        prompts = sum(1 for _ in check_rows(source))
        generate_texts(source, prompts, folder, overwrite=overwrite)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--output",
    "folder",
    type=FilePath(),
    default=Path("outputs"),
    show_default=True,
    help="Folder for the texts; a run that was stopped in it continues.",
)
@click.option("--overwrite", is_flag=True, help="Delete the texts of another run in that folder.")
@settings_options
@report_termination
def command(file: Path | None, inputs: Path | None, folder: Path, overwrite: bool, **flags: object) -> None:
    """Generate text from prompts."""
    settings = read_settings(file, inputs, flags)
    exit_on_sigterm()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(settings, folder, overwrite)
