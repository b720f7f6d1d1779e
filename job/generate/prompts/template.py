"""`--template`: a prompt filled in from a row's fields."""

import json
from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Any

from job.errors import PromptError, SettingsError
from job.text import did_you_mean, quoted


class Template:
    """A text with fields in braces: `Summarise: {body}`; `{{` and `}}` are braces.

    Raises SettingsError: braces that do not match, anything but a field's name in them.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        try:
            parts = list(Formatter().parse(source))
        except ValueError as error:
            raise SettingsError(f"template: {error}; write {{{{ and }}}} for braces in the text") from None
        self._parts: list[tuple[str, str | None]] = []
        for text, name, form, conversion in parts:
            if name is not None and (not name or form or conversion):
                raise SettingsError(
                    f"template: in braces stands a field's name and nothing else: {quoted(source)}"
                )
            self._parts.append((text, name))
        if all(name is None for _, name in self._parts):
            raise SettingsError(f"template: it has no field; write {quoted('Summarise: {body}')}")

    def fill(self, row: Mapping[str, Any]) -> str:
        """The prompt of a row: strings as they are, other values as JSON.

        Raises PromptError if the row lacks a field, or if it is null.
        """
        parts = []
        for text, name in self._parts:
            parts.append(text)
            if name is None:
                continue
            value = row.get(name)
            if value is None:
                hint = did_you_mean(name, row) if name not in row else "give it a value"
                raise PromptError(f"no {quoted(name)} in this row, which the template needs; {hint}")
            parts.append(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        return "".join(parts)


def load_template(setting: str) -> Template:
    """The template of the setting, which is its text or `@FILE`. Raises SettingsError."""
    return Template(_read(Path(setting[1:])) if setting.startswith("@") else setting)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig").removesuffix("\n")
    except OSError as error:
        raise SettingsError(f"template: {path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"template: {path}: not UTF-8 at byte {error.start}") from None
