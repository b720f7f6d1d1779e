"""The YAML parser's errors in the words of who wrote the file: where, what is wrong, and what to write."""

import re
import unicodedata
from typing import Any

from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import ScalarEvent
from ruamel.yaml.reader import ReaderError

from argo.language.model import Position

# What looks like a space, or like nothing, and is none to YAML.
_ODD_SPACE = re.compile("[\u00a0\u1680\u2000-\u200d\u2028-\u202f\u205f\u2060\u3000\ufeff]")
_NEAR = 3  # lines before an error that may hold its cause


class YamlError(Exception):
    """The file can't be read further. The message is one line."""

    def __init__(self, code: str, at: Position, message: str, hint: str = "") -> None:
        self.code, self.at, self.hint = code, at, hint
        super().__init__(message)


def mark_position(mark: Any) -> Position:
    """The position of one of the parser's marks."""
    return Position(mark.line + 1, mark.column + 1)


def explain_character(error: ReaderError, text: str) -> YamlError:
    """A character that YAML does not allow."""
    before = text[: error.position]
    at = Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
    if error.character == 0:
        hint = "remove it, or save the file as UTF-8"
        return YamlError("yaml-syntax", at, "the character NUL is not allowed in YAML", hint)
    message = f"the character U+{error.character:04X} is not allowed in YAML"
    return YamlError("yaml-syntax", at, message, f'write it in double quotes as "\\u{error.character:04x}"')


def explain_syntax(error: MarkedYAMLError, text: str, last: ScalarEvent | None, at: Position) -> YamlError:
    """What the parser could not read; `last` is the text before it, and `at` what it had read last."""
    mark = error.problem_mark or error.context_mark
    if "quoted scalar" in str(error.context) and "end of stream" in str(error.problem):
        return YamlError("yaml-syntax", mark_position(error.context_mark), "this quote is not closed")
    if last and last.style in ("'", '"') and mark and mark.line == last.end_mark.line:
        if last.start_mark.line < mark.line:
            message = f"this quote is not closed; the next one is on line {mark.line + 1}"
            return YamlError("yaml-syntax", mark_position(last.start_mark), message)
        if mark.column == last.end_mark.column:
            escaped = "''" if last.style == "'" else '\\"'
            hint = f"write {escaped} for a {last.style} within quotes"
            hint = _odd_space_hint(mark, text) or hint
            return YamlError("yaml-syntax", mark_position(mark), _message(error), hint)
    message = _message(error)
    position = mark_position(mark) if mark else at
    return YamlError(
        "yaml-syntax", position, message, _odd_space_hint(mark, text) or _hint(message, mark, text)
    )


def check_key(text: str, at: Position) -> None:
    """Raise YamlError if a key without quotes begins with a space that is none to YAML."""
    if _ODD_SPACE.match(text):
        message = f"{_name(text[0])} stands before this key"
        raise YamlError("yaml-syntax", at, message, "YAML indents with spaces")


def _name(character: str) -> str:
    name = unicodedata.name(character, "character").lower()
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name} (U+{ord(character):04X})"


def _message(error: MarkedYAMLError) -> str:
    """The parser's message in one line."""
    problem = (error.problem or error.context or "not valid YAML").rstrip(".")
    if "expected '<document start>'" in problem:
        problem = "a second value starts after the end of the first"
    return f"{problem} {error.context}" if error.context and error.problem else problem


def _odd_space_hint(mark: Any, text: str) -> str:
    lines = text.split("\n")[: mark.line + 1] if mark else []
    for number in range(len(lines), max(len(lines) - _NEAR, 0), -1):
        if found := _ODD_SPACE.search(lines[number - 1]):
            return f"line {number} has {_name(found[0])}: write an ordinary one"
    return ""


def _hint(problem: str, mark: Any, text: str) -> str:
    """What people mostly did when the parser had that problem."""
    lines = text.split("\n")[: mark.line + 1] if mark else [""]
    before = next((line for line in lines[-2::-1] if line.strip()), "")
    outdented = before.lstrip().startswith("#") and _indent(before) < _indent(lines[-1])
    hints = {
        "YAML indents with spaces, not tabs": "'\\t'" in problem,
        "a comment that is indented less ends the block above it: indent it like the block": outdented,
        "a line before it has no ':'; in a block of text every line is indented": "expected ':'" in problem,
        "quote a string that contains ': ', and compare the indentation with the lines above": (
            "mapping values" in problem
        ),
        "quote a string that starts with '%', '@' or '`'": "cannot start any token" in problem,
        "compare the indentation with the lines above; a line may have lost its '#'": (
            "block" in problem or "second value" in problem
        ),
    }
    return next((hint for hint, fits in hints.items() if fits), "")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
