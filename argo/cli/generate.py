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
    """Generate text: `python -m job generate` with the same arguments, which calls itself `textgen`."""
    # -P: a folder `job` in the current directory is not taken for textgen's.
    program = [sys.executable, "-P", "-c", "from job.__main__ import main; main(program='textgen')"]
    os.execv(sys.executable, [*program, "generate", *arguments])  # noqa: S606
