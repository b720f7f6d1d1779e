"""`textgen generate`: the command of `job`, in a Python process of its own."""

import os
import re
import sys

import click
from click.shell_completion import CompletionItem

_OPTIONS = {  # beside the settings
    "--output": "Folder for the texts.",
    "--overwrite": "Delete the texts of another run in that folder.",
    "--settings": "Settings file.",
    "--inputs": "Folder with one file for each setting.",
}


class _Command(click.Command):
    """Completes the options of the command of `job`, which it does not import."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        from job.generate.settings import TABLE

        options = {f"--{name.replace('_', '-')}": row.metadata["help"] for name, row in TABLE.items()}
        return [
            CompletionItem(name, help=text)
            for name, text in (_OPTIONS | options).items()
            if name.startswith(incomplete)
        ]


def _complete_value(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The words that the setting before takes; files for the others."""
    from job.generate.settings import TABLE

    option = "".join(ctx.params["arguments"][-1:])
    setting = TABLE.get(option.removeprefix("--").replace("-", "_"))
    pattern = setting.metadata["pattern"] or "" if setting else ""
    if not re.fullmatch(r"[a-z0-9-]+(\|[a-z0-9-]+)+", pattern):
        return [CompletionItem(incomplete, type="file")]
    return [CompletionItem(word) for word in pattern.split("|") if word.startswith(incomplete)]


@click.command(
    "generate",
    cls=_Command,
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, shell_complete=_complete_value)
def command(arguments: tuple[str, ...]) -> None:
    """Generate text: `python -m job generate` with the same arguments, which calls itself `textgen`."""
    # -P: a folder `job` in the current directory is not taken for textgen's.
    program = [sys.executable, "-P", "-c", "from job.__main__ import main; main(program='textgen')"]
    os.execv(sys.executable, [*program, "generate", *arguments])  # noqa: S606
