"""`textgen init`: a working workflow file and its settings for a user's own repository."""

import shlex
from importlib.resources import files
from pathlib import Path

import click

from job.command import FilePath
from job.errors import InputError

WORKFLOW = Path(".gradient/workflows/nlp-text-generation.yaml")
SETTINGS = Path("settings.toml")


@click.command("init")
@click.argument("folder", type=FilePath(file_okay=False), default=".")
def command(folder: Path) -> None:
    """Add a working workflow file and its settings to the repository in FOLDER (default: this folder).

    Existing files are not overwritten.
    """
    from argo.cli.local_run import textgen_command

    texts = {
        WORKFLOW: files("argo").joinpath("starter", WORKFLOW.name).read_text("utf-8"),
        SETTINGS: files("job").joinpath("settings.toml").read_text("utf-8"),
    }
    for path in texts:
        if (folder / path).exists():
            raise InputError(f"{folder / path}: exists already; move it away first")
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
        click.echo(f"wrote {folder / path}")
    click.echo(f"\nNow run it:\n  {textgen_command()} run {shlex.quote(str(folder / WORKFLOW))}")
