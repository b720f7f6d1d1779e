"""All rows of a run, looked at before a model is."""

from collections.abc import Iterator

from job.errors import PromptError
from job.generate.output_rows import check_names
from job.generate.prompts.prompt import Prompt
from job.generate.prompts.source import RowSource
from job.generate.row_errors import RowErrors


def check_rows(source: RowSource) -> Iterator[Prompt]:
    """The rows, as they are read.

    Raises PromptError at the end if there was none, or if one is bad that may not be.
    """
    errors, count = RowErrors(source.settings), 0
    for prompt in source.read():
        count += 1
        if prompt.error:
            errors.add(prompt)
        if not prompt.error or source.settings.on_error == "skip":
            check_names(prompt, source.settings)
        yield prompt
    if not count:
        raise PromptError(f"{source.settings.prompts}: no prompts in it")
    errors.check(count)
