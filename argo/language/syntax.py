"""What to say of a text that is not YAML: the parser's problem, and what people mostly did."""

from typing import Any

from ruamel.yaml.error import MarkedYAMLError


def explained(error: MarkedYAMLError, text: str) -> tuple[str, str]:
    """The parser's message in one line, and a hint."""
    problem = (error.problem or error.context or "not YAML").rstrip(".")
    context = f" {error.context}" if error.context and error.problem else ""
    if "expected '<document start>'" in problem:
        problem = "a second value starts after the end of the first"
    return f"{problem}{context}", _hint(f"{problem}{context}", error.problem_mark, text)


def _hint(problem: str, mark: Any, text: str) -> str:
    lines = text.split("\n")[: mark.line + 1] if mark else [""]
    before = next((line for line in lines[-2::-1] if line.strip()), "")
    outdented = before.lstrip().startswith("#") and _indent(before) < _indent(lines[-1])
    hints = {
        "YAML indents with spaces, not tabs": "'\\t'" in problem,
        "a comment that is indented less ends the text above it: indent it like the text": outdented,
        "a line before it has no ':'; in a block of text every line is indented": "expected ':'" in problem,
        "quote a text that holds ': ', and compare the indentation with the lines above": "mapping values"
        in problem,
        "quote a text that starts with '%', '@' or '`'": "cannot start any token" in problem,
        "compare the indentation with the lines above; a line may have lost its '#'": "block" in problem
        or "second value" in problem,
    }
    return next((hint for hint, fits in hints.items() if fits), "")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
