"""The texts to continue: one, a line each of a text file, rows of JSONL, or a folder of such files."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from job.errors import PromptError
from job.text import listed

_SUFFIXES = (".txt", ".jsonl")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text to continue, unchanged to the character.

    `id` names it in the outputs: the `id` of a JSONL row, else `FILE:LINE`, else `prompt`.
    """

    id: str
    text: str


def read_prompts(text: str, path: str = "") -> tuple[Prompt, ...]:
    """The prompts at `path`, in the order of their lines; without a path, `text` alone.

    Of a folder, its `.txt` and `.jsonl` files in the order of their names; its hidden files are left out,
    and its other files are named on stderr. Raises PromptError
    (FILE:LINE, what, what to do) for an empty prompt, bytes that are not UTF-8, a row that is
    not `{"prompt": TEXT, "id": NAME}`, a duplicate id, or no prompt at all.
    """
    if not path:
        _check(text, "prompt")
        return (Prompt("prompt", text),)
    prompts: list[Prompt] = []
    seen: dict[str, str] = {}
    for file in _list_files(Path(path)):
        for location, prompt in _read_lines(file):
            if prompt.id in seen:
                raise PromptError(f"{location}: duplicate id {prompt.id!r}, first in {seen[prompt.id]}")
            seen[prompt.id] = location
            prompts.append(prompt)
    if not prompts:
        raise PromptError(f"{path}: no prompts in it")
    return tuple(prompts)


def _list_files(path: Path) -> list[Path]:
    if not path.exists():
        raise PromptError(f"{path}: no such file or folder of prompts")
    try:
        # Hidden ones are the system's: .DS_Store, and macOS's ._a.txt beside an a.txt on a foreign disk.
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    except NotADirectoryError:
        entries = [path]
    except OSError as error:
        raise PromptError(f"{path}: can't be read: {error.strerror}") from None
    files = [entry for entry in entries if entry.suffix.lower() in _SUFFIXES]
    if not files:
        raise PromptError(f"{path}: prompts must be .txt or .jsonl files")
    if others := [entry.name for entry in entries if entry not in files]:
        click.echo(f"{path}: only .txt and .jsonl files are read, and not {listed(others)}", err=True)
    return files


def _read_lines(file: Path) -> Iterator[tuple[str, Prompt]]:
    """Each line's location and prompt. Only a newline ends a line: U+2028 or a form feed is text."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise PromptError(f"{file}: can't be read: {error.strerror}") from None
    lines = data.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\n").split(b"\n") if data else []
    for number, raw_line in enumerate(lines, 1):
        location = f"{file}:{number}"
        try:
            line = raw_line.removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            raise PromptError(f"{location}: not UTF-8 at byte {error.start} of the line") from None
        prompt = Prompt(f"{file.name}:{number}", line)
        if file.suffix.lower() == ".jsonl":
            prompt = _parse_row(line, prompt.id, location)
        _check(prompt.text, location)
        yield location, prompt


def _parse_row(line: str, default_id: str, location: str) -> Prompt:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise PromptError(f'{location}: not JSON; write one {{"prompt": "..."}} on each line') from None
    if not isinstance(row, dict) or not isinstance(row.get("prompt"), str):
        raise PromptError(f'{location}: no string "prompt" in this row; write {{"prompt": "..."}}')
    prompt_id = row.get("id", default_id)
    if not isinstance(prompt_id, str | int) or isinstance(prompt_id, bool) or prompt_id == "":
        raise PromptError(f"{location}: id must be a string or an integer, not {json.dumps(prompt_id)}")
    return Prompt(str(prompt_id), row["prompt"])


def _check(text: str, location: str) -> None:
    if not text.strip():
        raise PromptError(f"{location}: an empty prompt; give at least a word")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise PromptError(f"{location}: half of a surrogate pair in the prompt") from None
