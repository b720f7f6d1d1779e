"""`secret:NAME`: from a file of NAME=value lines, or a variable that the user named; masked in every log."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from argo.language.model import GitCheckout, Job, S3Download, Secret, Value, Workflow
from job.errors import InputError

MASK = "***"
MIN_LENGTH = 4
_MIN_LINE = 8  # of a value of several lines, which may be JSON: `  {`
# Of the model hub: a secret of every job, as on a cluster.
TOKEN = "HF_TOKEN"  # noqa: S105 - its name

_LINE = re.compile(r"\s*(?:export\s+)?([^=\s]+)\s*=\s*(.*?)\s*")


class Secrets:
    """The values of the secrets that a workflow uses. `token` is HF_TOKEN, if all jobs get it."""

    def __init__(self, values: Mapping[str, str], token: str | None = None) -> None:
        self._values = values
        self.token = token

    def unmasked(self, job: Job) -> list[str]:
        """The names of the job's secrets that are too short for `mask`."""
        return [name for name in dict.fromkeys(_secret_names(job)) if not _parts(self._values[name])]

    def value(self, value: Value) -> str:
        """The text of a value, secret or not."""
        return self._values[value.name] if isinstance(value, Secret) else value

    def mask(self, line: str) -> str:
        """A line of a log without any secret in it that is long enough to be no word of another text."""
        parts = {part for value in (*self._values.values(), self.token or "") for part in _parts(value)}
        for part in sorted(parts, key=len, reverse=True):
            line = line.replace(part, MASK)
        return line


def _parts(value: str) -> list[str]:
    """What is masked of a value: all of it, or its longer lines."""
    lines = [line for line in re.split(r"[\r\n]+", value) if line]
    shortest = MIN_LENGTH if len(lines) == 1 else _MIN_LINE
    return [line for line in lines if len(line.strip()) >= shortest]


def load_secrets(
    workflow: Workflow, file: Path | None, environ: Mapping[str, str], names: Collection[str] = ()
) -> Secrets:
    """The secrets that the workflow uses, from `file` or else from those of `environ` that are in `names`.

    HF_TOKEN is for all jobs if it is in one of them.
    Raises InputError for the first that is in neither, with the line that uses it.
    """
    from_file = _read(file) if file else {}
    # whoever writes the workflow file does not choose which of the caller's variables it reads
    known = {**{name: environ[name] for name in names if name in environ}, **from_file}
    values = {}
    for job in workflow.jobs.values():
        for name in _secret_names(job):
            if name not in known:
                location = f"{workflow.path}:{_line(workflow, name)}"
                raise InputError(
                    f"{location}: job {job.name!r} uses secret:{name}, which is not set; "
                    f"put {name}=VALUE into a file given with --secrets, or set the variable {name} "
                    f"and start the run with --env {name}"
                )
            values[name] = known[name]
    return Secrets(values, known.get(TOKEN))


def _secret_names(job: Job) -> Iterator[str]:
    """The names of the secrets of a job."""
    values: list[Value | None] = [*job.env.values()]
    match job.action:
        case GitCheckout(username=username, password=password):
            values += [username, password]
        case S3Download(access_key=access_key, secret_access_key=secret_access_key):
            values += [access_key, secret_access_key]
    yield from (value.name for value in values if isinstance(value, Secret))


def _line(workflow: Workflow, name: str) -> int:
    use = re.search(rf"secret:{re.escape(name)}(?![\w.-])", workflow.text)
    return workflow.text.count("\n", 0, use.start()) + 1 if use else 1


def _read(file: Path) -> dict[str, str]:
    try:
        lines = file.read_text("utf-8-sig").split("\n")  # U+2028 or a form feed is a part of a value
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InputError(f"{file}: can't read the secrets: {reason}") from error
    values = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if not match:
            raise InputError(f"{file}:{number}: not a line of the form NAME=value")  # it may be a secret
        name, value = match.groups()
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        values[name] = value[1:-1] if quoted else value
    return values
