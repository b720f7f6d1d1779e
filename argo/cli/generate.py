"""`textgen generate`: the command of `job`, in a Python process of its own."""

import os
import sys

import click


@click.command(
    "generate",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Generate text: `python -m job generate` with the same arguments."""
    # -P: a folder `job` in the current directory is not taken for textgen's.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "job", "generate", *arguments])  # noqa: S606
