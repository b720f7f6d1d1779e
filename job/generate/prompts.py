"""The texts to continue: one, a line each of a text file, rows of JSONL, or a folder of such files."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from job.errors import PromptError

_READERS = (".txt", ".jsonl")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text to continue, kept to the character.

    `id` names it in the outputs: the `id` of a JSONL row, else `FILE:LINE`, else `prompt`.
    """

    id: str
    text: str


def read(text: str, path: str = "") -> tuple[Prompt, ...]:
    """The prompts at `path`, in the order of their lines; without a path, `text` alone.

    A folder gives its `.txt` and `.jsonl` files in the order of their names. Raises PromptError
    (FILE:LINE, what, what to do) for an empty prompt, bytes that are not UTF-8, a row that is
    not `{"prompt": TEXT, "id": NAME}`, an id used twice, or nothing there.
    """
    if not path:
        _usable(text, "prompt")
        return (Prompt("prompt", text),)
    prompts: list[Prompt] = []
    seen: dict[str, str] = {}
    for file in _files(Path(path)):
        for where, prompt in _lines(file):
            if prompt.id in seen:
                raise PromptError(f"{where}: the id {prompt.id!r} is that of {seen[prompt.id]}")
            seen[prompt.id] = where
            prompts.append(prompt)
    if not prompts:
        raise PromptError(f"{path}: no prompts in it")
    return tuple(prompts)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise PromptError(f"{path}: no such file or folder of prompts")
    try:
        files = (
            sorted(file for file in path.iterdir() if file.suffix in _READERS) if path.is_dir() else [path]
        )
    except OSError as error:
        raise PromptError(f"{path}: can't be read: {error.strerror}") from None
    if not files or files[0].suffix not in _READERS:
        raise PromptError(f"{path}: prompts are read from .txt and .jsonl files")
    return files


def _lines(file: Path) -> Iterator[tuple[str, Prompt]]:
    """Each line's place and prompt. Only a newline ends a line: U+2028 or a form feed is text."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise PromptError(f"{file}: can't be read: {error.strerror}") from None
    rows = data.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\n").split(b"\n") if data else []
    for number, row in enumerate(rows, 1):
        where = f"{file}:{number}"
        try:
            line = row.removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            raise PromptError(f"{where}: not UTF-8 at byte {error.start} of the line") from None
        name = f"{file.name}:{number}"
        yield where, _row(line, name, where) if file.suffix == ".jsonl" else _usable_line(line, name, where)


def _usable_line(line: str, name: str, where: str) -> Prompt:
    _usable(line, where)
    return Prompt(name, line)


def _row(line: str, name: str, where: str) -> Prompt:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise PromptError(f'{where}: not JSON; write {{"prompt": "..."}}, one a line') from None
    if not isinstance(row, dict) or not isinstance(row.get("prompt"), str):
        raise PromptError(f'{where}: no "prompt" text in this row; write {{"prompt": "..."}}')
    key = row.get("id", name)
    if not isinstance(key, str | int) or isinstance(key, bool) or key == "":
        raise PromptError(f"{where}: an id is a text or a whole number, not {json.dumps(key)}")
    _usable(row["prompt"], where)
    return Prompt(str(key), row["prompt"])


def _usable(text: str, where: str) -> None:
    if not text.strip():
        raise PromptError(f"{where}: an empty prompt; give at least a word")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise PromptError(f"{where}: half of a surrogate pair in the prompt") from None
