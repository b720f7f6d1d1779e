"""The textgen command itself: quick, and kind about what was typed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from argo.cli import COMMANDS, local_run
from argo.cli import textgen as textgen_group
from job.__main__ import job
from job.command import run_group
from job.errors import InputError


def textgen(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "argo", *args], capture_output=True, text=True, check=False)


def test_version_is_the_packages() -> None:
    assert textgen("--version").stdout == f"textgen {version('argo-textgen')}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_in_the_help_exists_under_its_name(name: str) -> None:
    command = import_module(COMMANDS[name][0]).command
    assert command.name == name
    assert command.help


def test_no_command_imports_torch_nor_anything_slow() -> None:
    modules = [module for module, _ in COMMANDS.values()]
    code = f"""
import importlib, json, sys
for module in {modules!r}: importlib.import_module(module)
print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))
"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "numpy", "hera", "boto3", "kubernetes"} & set(
        json.loads(loaded.stdout)
    )


def list_commands(group: click.Group, ctx: click.Context) -> Iterator[click.Command]:
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command
        yield command
        if isinstance(command, click.Group):
            yield from list_commands(command, ctx)


@pytest.mark.parametrize("group", [textgen_group, job])
def test_an_empty_path_is_not_the_current_folder(group: click.Group) -> None:
    paths = [
        param
        for command in list_commands(group, click.Context(group))
        for param in command.params
        if isinstance(param.type, click.Path)
    ]
    assert len(paths) > 5
    for param in paths:
        with pytest.raises(click.BadParameter):
            param.type.convert("", param, None)


def test_an_unknown_command_is_one_line_and_status_2() -> None:
    done = textgen("rnu")
    assert done.returncode == 2
    assert "No such command 'rnu'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "error", [InputError("no \x1b]0;title\x07 here"), OSError(2, "no", "\x1b]0;title\x07")]
)
def test_an_error_does_not_control_the_terminal(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def fail() -> None:
        raise error

    with pytest.raises(SystemExit):
        run_group(click.Group(commands=[fail]), "textgen", ["fail"])
    assert capsys.readouterr().err.count("\N{REPLACEMENT CHARACTER}") == 2


@pytest.mark.parametrize(("path", "suggested"), [("", ".venv/bin/textgen"), (".venv/bin", "textgen")])
def test_a_suggested_command_can_be_typed_as_it_stands(
    path: str, suggested: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / ".venv/bin/textgen"
    script.parent.mkdir(parents=True)
    script.touch()
    script.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", path and str(tmp_path / path))
    monkeypatch.setattr(sys, "argv", [".venv/bin/textgen", "run"])
    assert local_run.textgen_command() == suggested
