"""Values that are more than a string: expressions, `secret:NAME`, dataset references.

There is no `${{ }}` and no interpolation: each form is a whole value.
"""

import re

from argo.language.field import Field
from argo.language.model import Secret, Value
from argo.language.nodes import Scalar
from job.datasets.reference import LATEST, DatasetRef
from job.errors import InputError
from job.text import quoted

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_PREFIX = "secret:"

_EXPRESSION = re.compile(r"context\.event\.[\w.]+|workflow\.inputs\.[\w.-]+|[\w-]+\.outputs\.[\w.-]+")
_OTHER_SYSTEMS_EXPRESSION = re.compile(r"\$\{\{|\$\{(secrets|inputs|env|github)\.")
_ENV_NAME = re.compile(r"(?!\.$|\.\.)[A-Za-z_.-][A-Za-z0-9_.-]*")  # as Kubernetes takes it


def looks_like_expression(text: str) -> bool:
    """Whether `text` is an expression of this language or of another's."""
    return bool(_EXPRESSION.fullmatch(text) or _OTHER_SYSTEMS_EXPRESSION.search(text))


def read_literal(field: Field) -> str | None:
    """A string in which expressions have no meaning; one that looks like an expression gets a warning."""
    text = field.string_or_empty()
    if text is None or not (looks_like_expression(text) or text.startswith(_PREFIX)):
        return text
    secret_name = re.search(r"secrets\.(\w+)", text)
    if text.startswith(_PREFIX) or secret_name:
        hint = f"write env: {{NAME: {_PREFIX}{secret_name[1] if secret_name else 'NAME'}}}"
    else:
        hint = "pass it as an input and read /inputs/NAME"
    field.report("literal-expression", f"{quoted(text)} is not replaced here", hint)
    return text


def read_secret_or_string(field: Field) -> Value | None:
    """A string, or `secret:NAME`."""
    is_secret = isinstance(field.node, Scalar) and field.node.text.startswith(_PREFIX)
    return read_secret(field) if is_secret else read_literal(field)


def read_secret(field: Field) -> Secret | None:
    """`secret:NAME`, and nothing else."""
    text = field.string()
    if text is None:
        return None
    name = text.removeprefix(_PREFIX)
    hint = "write secret:NAME, and store the value as a secret of that name"
    if name == text:
        field.report("bad-secret", "must be a secret, not a string in the file", hint)
    elif name.startswith("ephemeral:"):
        field.report("bad-secret", "ephemeral secrets were kept by Gradient's API, which is closed", hint)
    elif not name or not name.isprintable() or name != name.strip() or len(name) > 253:
        field.report("bad-secret", f"{quoted(text)} does not name a secret", hint)
    else:
        return Secret(name)
    return None


def read_env(field: Field) -> dict[str, Value]:
    """The variables of an `env` mapping, without those whose name or value is not valid."""
    env: dict[str, Value] = {}
    for name, entry in field.entries().items():
        value = read_secret_or_string(entry)
        if not _ENV_NAME.fullmatch(name):
            message = f"{quoted(name)} is not a valid name of an environment variable"
            entry.report("bad-name", message, "use letters, digits and '_'", entry.key_at)
        elif value is not None:
            env[name] = value
    return env


def read_dataset(field: Field) -> DatasetRef | None:
    """The reference in a `with: {ref: ...}`; older files write `id`, which means the same."""
    fields = field.fields(("ref", "id"))
    if "ref" not in fields and "id" not in fields:
        field.require(fields, "ref", "write ref: NAME or ref: NAME:VERSION")
        return None
    ref = fields.get("ref") or fields["id"]
    text = ref.string()
    if text is None:
        return None
    if _EXPRESSION.fullmatch(text):
        message = f"{quoted(text)} is an expression, not a dataset"
        ref.report("bad-expression", message, f"write NAME: {text} in place of the mapping")
        return None
    return parse_dataset(ref, text)


def read_output_dataset(field: Field) -> DatasetRef | None:
    """Like read_dataset, for an output: a run makes a new version, so the reference has none."""
    ref = read_dataset(field)
    return check_no_version(field, ref, f"ref: {ref.dataset}") if ref else None


def parse_dataset(field: Field, text: str) -> DatasetRef | None:
    """The reference in `text`, or None and an error at the field."""
    try:
        return DatasetRef.parse(text)
    except InputError as error:
        message, _, hint = str(error).partition("; ")
        field.report("bad-dataset", message, hint)
        return None


def check_no_version(field: Field, ref: DatasetRef, hint: str) -> DatasetRef | None:
    """`ref`, or None and an error if it names a version, where a run makes a new one."""
    if ref.version != LATEST:
        message = "the dataset of an output can't have a version: a run makes a new version here"
        field.report("bad-dataset", message, f"write {hint}")
        return None
    return ref
