"""What is wrong with a workflow file: where, under which code, and what to write."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from argo.language.model import Position
from job.errors import InputError
from job.text import one_line

MAX_ERRORS = 100


class Severity(StrEnum):
    """An error stops the file from running; with warnings only it runs."""

    ERROR = "error"
    WARNING = "warning"


# Every code, its severity and its meaning in one line. docs/lint.md has an example of each.
CODES: dict[str, tuple[Severity, str]] = {
    # the text
    "unreadable-file": (Severity.ERROR, "The file can't be read, or is not UTF-8."),
    "too-large": (Severity.ERROR, "The file is over a limit: its size, its nesting or its aliases."),
    "yaml-syntax": (Severity.ERROR, "The file is not valid YAML."),
    "duplicate-key": (Severity.WARNING, "A mapping has the same key twice; the last one counts."),
    # the shape
    "not-a-workflow": (Severity.ERROR, "The file has no `jobs`, or is written for another system."),
    "wrong-type": (Severity.ERROR, "A value has the wrong type, a list in place of a string for example."),
    "missing-key": (Severity.ERROR, "A required key is missing."),
    "unknown-key": (Severity.WARNING, "A key that is not allowed here; it is ignored."),
    "unquoted-value": (Severity.WARNING, "A number, boolean, date or null in place of a string."),
    "bad-name": (Severity.ERROR, "A name has characters that are not allowed."),
    "bad-trigger": (Severity.WARNING, "A trigger that is not supported; no push starts the workflow."),
    "unset-event": (Severity.WARNING, "`context.event` in a file that has neither `on` nor `context`."),
    # names and values
    "unknown-action": (Severity.ERROR, "`uses` names an action that does not exist."),
    "unknown-type": (Severity.ERROR, "`type` has a value that is not allowed here."),
    "unknown-job": (Severity.ERROR, "A job that the file does not have."),
    "unknown-output": (Severity.ERROR, "An output that its job does not have."),
    "unknown-input": (Severity.ERROR, "A workflow input that the file does not have."),
    "unknown-instance": (Severity.WARNING, "An instance type that textgen's own table does not have."),
    "unknown-model-type": (Severity.WARNING, "A model type that Gradient did not have."),
    "unknown-setting": (Severity.ERROR, "`generate@v1` has no setting of this name."),
    "bad-setting": (Severity.ERROR, "A setting of `generate@v1` with a value that it does not take."),
    "bad-expression": (Severity.ERROR, "An expression that does not exist, or is not allowed here."),
    "literal-expression": (Severity.WARNING, "Looks like an expression, but is used as it is written."),
    "bad-secret": (Severity.ERROR, "`secret:` without a valid name, or no secret where one is required."),
    "plain-secret": (Severity.WARNING, "A password or key is written in the file."),
    "bad-dataset": (Severity.ERROR, "A dataset reference that is not valid, or can't be written to."),
    "bad-image": (Severity.ERROR, "Not a valid image name."),
    "bad-url": (Severity.ERROR, "A URL that the action can't fetch."),
    "bad-ref": (Severity.ERROR, "Not a valid git ref."),
    "bad-path": (Severity.ERROR, "A path outside the job's folders."),
    "bad-target": (Severity.ERROR, "An action that has no folder to write to, or several."),
    "command-line": (Severity.WARNING, "`command` has several words in one string; it is split."),
    # between jobs
    "needs-cycle": (Severity.ERROR, "Jobs wait for one another."),
    "missing-need": (Severity.WARNING, "A job uses another's output without naming it in `needs`."),
    "same-run-dataset": (Severity.WARNING, "A dataset is read by reference, and this run writes it."),
    "parallel-writes": (Severity.WARNING, "Two jobs that may run at the same time write the same dataset."),
    # clusters
    "local-only": (Severity.WARNING, "`textgen run` runs it, but a cluster can't, so it can't be compiled."),
    "skipped-entrypoint": (
        Severity.WARNING,
        "A cluster starts a command without an entrypoint that it needs.",
    ),
    # scripts
    "undeclared-output": (Severity.WARNING, "A script writes to an output that the job does not declare."),
    "undeclared-input": (Severity.WARNING, "A script reads an input that the job does not declare."),
    "closed-service": (Severity.WARNING, "A script calls Gradient's API, which is closed."),
    "endless-job": (Severity.WARNING, "A script starts a server, which never ends."),
}


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem of a file. `key` is its path of keys (`jobs.train.with.args[2]`)."""

    code: str
    severity: Severity
    path: Path
    position: Position
    key: str
    message: str
    hint: str

    def __str__(self) -> str:
        location = f"{self.path}:{self.position.line}:{self.position.column}"
        key = f"{self.key}: " if self.key else ""
        hint = f"; {self.hint}" if self.hint else ""
        return one_line(f"{location}: {self.severity} {self.code}: {key}{self.message}{hint}")


class WorkflowError(InputError):
    """A workflow file with errors in it; `diagnostics` holds all of them, warnings too."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        self.diagnostics = diagnostics
        errors = [each for each in diagnostics if each.severity is Severity.ERROR]
        more = f" (and {len(errors) - 1} more: textgen lint shows all)" if len(errors) > 1 else ""
        super().__init__(f"{errors[0]}{more}")


class TooManyErrors(Exception):  # noqa: N818
    """Ends the check of a file at MAX_ERRORS: nobody would read more."""


@dataclass(slots=True)
class Findings:
    """Collects the diagnostics of one file."""

    path: Path
    diagnostics: list[Diagnostic] = field(default_factory=list)
    errors: int = 0

    def add(self, code: str, position: Position, key: str, message: str, hint: str = "") -> None:
        """Add a diagnostic with the severity of its code. Raises TooManyErrors at the MAX_ERRORS-th error."""
        severity, _ = CODES[code]
        self.diagnostics.append(Diagnostic(code, severity, self.path, position, key, message, hint))
        if severity is Severity.ERROR:
            self.errors += 1
            if self.errors >= MAX_ERRORS:
                raise TooManyErrors

    def extend(self, other: "Findings") -> None:
        """Add the diagnostics of a part of the file that was read apart."""
        self.diagnostics += other.diagnostics
        self.errors += other.errors

    def in_order(self) -> tuple[Diagnostic, ...]:
        """The diagnostics without repetitions, from the file's top to its end."""
        return tuple(
            sorted(
                dict.fromkeys(self.diagnostics), key=lambda d: (d.position.line, d.position.column, d.code)
            )
        )
