"""What the commands that generate have in common: options for the settings, and how they end."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import click

from job.command import FilePath
from job.generate.settings import TABLE, Settings, load_settings

_METAVARS = {int: "INT", float: "FLOAT"}


def settings_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options from which `read_settings` reads: files, folders, and one for each setting."""
    for name, setting in reversed(list(TABLE.items())):
        flag, text = f"--{name.replace('_', '-')}", setting.metadata["help"]
        if isinstance(setting.default, bool):
            option = click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=text)
        elif isinstance(setting.default, tuple):
            option = click.option(flag, name, metavar="TEXT", multiple=True, help=text)
        else:
            metavar = _METAVARS.get(type(setting.default), "TEXT")
            option = click.option(flag, name, metavar=metavar, help=text)
        function = option(function)
    function = click.option("--inputs", type=FilePath(), help="Folder with one file for each setting.")(
        function
    )
    return click.option(
        "--settings",
        "file",
        type=FilePath(),
        help="Settings file, in place of job/settings.toml.",
    )(function)


def read_settings(file: Path | None, inputs: Path | None, flags: dict[str, object]) -> Settings:
    """The settings of a command line and the environment. Raises SettingsError."""
    given_flags = {name: value for name, value in flags.items() if value not in (None, ())}
    for name, value in given_flags.items():
        if TABLE[name].metadata["separator"] and isinstance(value, tuple) and len(value) == 1:
            given_flags[name] = value[0]  # a list that is written as one text
    return load_settings(file, inputs, os.environ, given_flags)


def exit_on_sigterm() -> None:
    """Have SIGTERM end this process as an exception does, so that what is done is kept."""
    signal.signal(signal.SIGTERM, _exit)


def _exit(*_: object) -> None:
    raise SystemExit(143)
