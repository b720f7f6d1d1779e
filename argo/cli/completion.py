"""`textgen completion`, and what a shell asks when somebody presses Tab."""

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click
from click.shell_completion import (
    BashComplete,
    add_completion_class,
    get_completion_class,
    shell_complete,
    split_arg_string,
)

from argo.cli import COMPLETION_VARIABLE

_PROGRAM = "textgen"
_TIMEOUT = 2  # seconds: a store or a cluster that takes longer is left out

# Bash ends a word at each colon, and completes what follows it: `id` of `name:id`.
# It runs what stands in a line, so a name that somebody else gave is quoted.
_BASH = """\
%(complete_func)s() {
    local line=${COMP_LINE:0:COMP_POINT} before= type value
    local word=${line##*[[:space:]=]}
    [[ $COMP_WORDBREAKS == *:* && $word == *:* ]] && before=${word%%:*}:
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) printf -v value %%q "${value#"$before"}" && COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_LINE=$line %(complete_var)s=bash_complete "$1")
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)[1:]
        return (words, "") if line[-1:].isspace() else (words[:-1], "".join(words[-1:]))


add_completion_class(_Bash, "bash")


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that completes textgen's commands in SHELL.

    \b
    bash   echo 'source <(textgen completion bash)' >> ~/.bashrc
    zsh    echo 'source <(textgen completion zsh)' >> ~/.zshrc  (after compinit)
    fish   textgen completion fish > ~/.config/fish/completions/textgen.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise AssertionError(shell)
    click.echo(kind(ctx.find_root().command, {}, _PROGRAM, COMPLETION_VARIABLE).source(), nl=False)


def complete(group: click.Command, instruction: str) -> NoReturn:
    """Answer a shell. Nothing is said of what goes wrong: somebody is typing there."""
    with Path(os.devnull).open("w") as sys.stderr, suppress(Exception):
        timer = threading.Timer(_TIMEOUT, os._exit, [0])
        timer.daemon = True
        timer.start()
        shell_complete(group, {}, _PROGRAM, COMPLETION_VARIABLE, instruction)
    sys.exit(0)
