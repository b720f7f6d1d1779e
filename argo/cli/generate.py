"""`textgen generate`: the job's own command, in a Python that has torch."""

import importlib.util
import os
import sys

import click

from job.errors import InputError


@click.command(
    "generate",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Generate text: `python -m job generate` with the same arguments."""
    # Only looked for: torch is the job's, and importing it would take seconds here.
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
        raise InputError(
            "generate needs torch and transformers; install the extra: pip install 'textgen[job]'"
        )
    # -P: a folder `job` of the repository one stands in is not taken for ours.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "job", "generate", *arguments])  # noqa: S606
