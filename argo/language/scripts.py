"""Mistakes that the text of a script shows: warnings only, as a shell can do anything."""

import re
from collections.abc import Container, Iterator

from argo.language.field import Field
from argo.language.model import Position
from argo.language.nodes import Scalar
from job.text import quoted

_PATH = re.compile(r"(?<![\w./~$}-])/(inputs?|outputs?)/([A-Za-z0-9_][A-Za-z0-9_.-]*)(?![\w*?$-])")
_CLOSED = re.compile(
    r"(?:^|[;&|(]\s*)(?:gradient\s+(?:deployments|models|datasets|workflows|notebooks|secrets|projects|apiKey)"
    r"|paperspace\s+(?:datasets|models|jobs)|pspace)\b"
)
_SERVER = re.compile(
    r"(?:^|[;&|(]\s*|python3? -m\s+)(?:uvicorn|gunicorn|flask run|streamlit run|http\.server|tensorboard"
    r"|text-generation-launcher|jupyter[ -](?:lab|notebook|server))\b"
)


def check_script(field: Field, inputs: Container[str], outputs: Container[str]) -> None:
    """Check a string that a shell may run; `inputs` and `outputs` are the names that the job declares."""
    if not isinstance(field.node, Scalar):
        return
    reported: set[str] = set()
    for at, line in _lines(field.node):
        for match in _PATH.finditer(line):
            folder, name = match.groups()
            if match.group() not in reported:
                reported.add(match.group())
                _check_path(field, at, folder, name, inputs, outputs)
        if _CLOSED.search(line):
            hint = "replace it: the API does not answer any more"
            field.report("closed-service", f"{quoted(line.strip())} calls Gradient's API", hint, at)
        if _SERVER.search(line) and not line.rstrip().endswith("&"):
            hint = "a job has to end; run a server as a deployment"
            field.report("endless-job", f"{quoted(line.strip())} starts a server", hint, at)


def _lines(node: Scalar) -> Iterator[tuple[Position, str]]:
    """The lines that are no comments, with their positions; only a `|` block keeps the file's lines."""
    for number, line in enumerate(node.text.split("\n"), start=1):
        if not line.lstrip().startswith("#"):
            yield (Position(node.at.line + number, 1) if node.block else node.at), line


def _check_path(
    field: Field, at: Position, folder: str, name: str, inputs: Container[str], outputs: Container[str]
) -> None:
    path = f"/{folder}/{name}"
    if folder in ("outputs", "inputs"):
        kind = folder.removesuffix("s")
        if name not in (outputs if folder == "outputs" else inputs):
            lost = ", or the files in it are lost" if kind == "output" else ""
            message, hint = f"{path} is not an {kind} of this job", f"declare {name} under {folder}{lost}"
            field.report(f"undeclared-{kind}", message, hint, at)
    elif name in (outputs if folder == "output" else inputs):
        field.report(f"undeclared-{folder}", f"{path} does not exist", f"write /{folder}s/{name}", at)
