"""What becomes of rows that can't be continued: `--on-error` and `--max-errors`."""

from job.command import print_notice
from job.errors import PromptError, TextgenError
from job.generate.prompts.prompt import Prompt
from job.generate.settings import Settings
from job.text import counted

_SHOWN = 10


class RowErrors:
    """The rows of a run that are bad: counted, and the first of them kept."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.count = 0
        self._first: list[str] = []
        self._refused = 0

    def add(self, prompt: Prompt) -> None:
        self.count += 1
        is_skipped = self._settings.on_error == "skip" or (
            prompt.is_too_long and self._settings.too_long == "skip"
        )
        self._refused += not is_skipped
        if len(self._first) < _SHOWN and not (is_skipped and self._settings.on_error == "fail"):
            self._first.append(f"{prompt.location}: {prompt.error}")

    def check(self, rows: int) -> None:
        """Raise PromptError if a row must not be bad, TextgenError if more are than there may be.

        One is the error itself; of several the first are told on stderr, and the error says how many.
        """
        if self._refused == 1:
            raise PromptError(self._first[0])
        if self._refused:
            self._show()
            raise PromptError(
                f"{self._refused} of {counted(rows, 'row')} are wrong; "
                "correct them, or give --on-error skip to go on without"
            )
        if self._settings.max_errors and self.count > self._settings.max_errors:
            self._show()
            raise TextgenError(
                f"{self.count} of {counted(rows, 'row')} are wrong, "
                f"and max_errors is {self._settings.max_errors}"
            )

    def _show(self) -> None:
        for line in self._first:
            print_notice(line)
