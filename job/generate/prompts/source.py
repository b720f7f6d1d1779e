"""The rows of a run, which can be read again and again: once to check them, and again to generate."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from job.errors import SettingsError
from job.generate.prompts.files import RowFile, digest_files, find_files
from job.generate.prompts.prompt import Prompt
from job.generate.prompts.rows import RowFormat, build_prompt, read_rows
from job.generate.prompts.standard_input import copy_standard_input, keep
from job.generate.prompts.template import Template, load_template
from job.generate.prompts.unique_ids import UniqueIds
from job.generate.settings import Settings

STANDARD_INPUT = "-"


@dataclass(slots=True)
class RowSource:
    """The settings' prompt, or the rows of their files."""

    settings: Settings
    files: Sequence[RowFile] = ()
    row_format: RowFormat = field(default_factory=RowFormat)
    has_duplicates: bool = True  # until it is known
    # a shard's: how many texts were planned, and what chat templates take for the present
    planned: int | None = None
    present: datetime | None = None

    def read(self) -> Iterator[Prompt]:
        """The prompts, in order, each with an id that no other has; one that is none has its `error`.

        Raises PromptError for a file that can't be read.
        """
        if not self.files:
            yield build_prompt({"prompt": self.settings.prompt}, RowFormat(), "prompt", "prompt")
            return
        rows = read_rows(self.files, self.row_format)
        if not self.has_duplicates:
            yield from rows
            return
        with UniqueIds() as unique:
            yield from unique.check(rows)
            self.has_duplicates = unique.has_duplicates

    @property
    def is_shard(self) -> bool:
        return self.planned is not None

    def digest(self) -> str:
        """What the prompts depend on beside the settings: names and bytes of files. Raises PromptError."""
        template = self.row_format.template
        parts = [digest_files(self.files), template.source if template else ""]
        text = json.dumps(parts if self.files else self.settings.prompt)
        return hashlib.sha256(text.encode()).hexdigest()

    def keep(self) -> None:
        """Keep standard input for a process that goes on with the run."""
        if self.settings.prompts == STANDARD_INPUT:
            self.files = [keep(file) for file in self.files]


def build_format(settings: Settings, template: Template | None) -> RowFormat:
    """How the settings' rows become prompts."""
    return RowFormat(settings.prompt_field, settings.messages_field, template, settings.system)


@contextmanager
def open_rows(settings: Settings, folder: Path) -> Iterator[RowSource]:
    """The rows that the settings name; standard input is copied to the folder.

    Raises PromptError if there are none, SettingsError for a template that is none, or without rows.
    """
    if not settings.prompts:
        for name in ("template", "system"):
            if getattr(settings, name):
                raise SettingsError(f"{name}: only rows of prompts take it; leave it out, or give prompts")
        yield RowSource(settings)
        return
    row_format = build_format(settings, load_template(settings.template) if settings.template else None)
    if settings.prompts == STANDARD_INPUT:
        with copy_standard_input(folder) as file:
            yield RowSource(settings, [file], row_format)
    else:
        yield RowSource(settings, find_files(settings.prompts), row_format)
