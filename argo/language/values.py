"""Values that are more than their text: expressions, `secret:NAME`, dataset references.

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
_FOREIGN = re.compile(r"\$\{\{|\$\{(secrets|inputs|env|github)\.")
_ENV_NAME = re.compile(r"[A-Za-z_.-][A-Za-z0-9_.-]*")


def looks_like_expression(text: str) -> bool:
    """Whether `text` is an expression of this language or of another's."""
    return bool(_EXPRESSION.fullmatch(text) or _FOREIGN.search(text))


def literal(field: Field) -> str | None:
    """A text where expressions mean nothing; one that looks like it gets a warning."""
    text = field.value()
    if text is None or not (looks_like_expression(text) or text.startswith(_PREFIX)):
        return text
    message = f"{quoted(text)} is taken as a text, not replaced"
    name = re.search(r"secrets\.(\w+)", text)
    if text.startswith(_PREFIX) or name:
        hint = f"write env: {{NAME: {_PREFIX}{name[1] if name else 'NAME'}}}"
    else:
        hint = "pass it as an input and read /inputs/NAME"
    field.report("literal-expression", message, hint)
    return text


def secret_or_text(field: Field) -> Value | None:
    """A text, or `secret:NAME`."""
    given = field.node
    return secret(field) if isinstance(given, Scalar) and given.text.startswith(_PREFIX) else literal(field)


def secret(field: Field) -> Secret | None:
    """`secret:NAME`, and nothing else."""
    text = field.text()
    if text is None:
        return None
    name = text.removeprefix(_PREFIX)
    hint = "write secret:NAME, and store the value as a secret of that name"
    if name == text:
        field.report("bad-secret", "must be a secret, not a text in the file", hint)
    elif name.startswith("ephemeral:"):
        field.report("bad-secret", "ephemeral secrets were kept by Gradient's API, which is closed", hint)
    elif not name or not name.isprintable() or name != name.strip() or len(name) > 253:
        field.report("bad-secret", f"{quoted(text)} names no secret", hint)
    else:
        return Secret(name)
    return None


def environment(field: Field) -> dict[str, Value]:
    """A map of `env`, less the names and values that can't be used."""
    found: dict[str, Value] = {}
    for name, entry in field.entries().items():
        value = secret_or_text(entry)
        if not _ENV_NAME.fullmatch(name):
            hint = "use letters, digits and '_'"
            entry.report(
                "bad-name", f"{quoted(name)} can't name an environment variable", hint, entry.name_at
            )
        elif value is not None:
            found[name] = value
    return found


def dataset(field: Field) -> DatasetRef | None:
    """The reference in a `with: {ref: ...}`; older files write `id`, which means the same."""
    found = field.fields(("ref", "id"))
    if "ref" not in found and "id" not in found:
        field.require(found, "ref", "write ref: NAME or ref: NAME:VERSION")
        return None
    ref = found.get("ref") or found["id"]
    text = ref.text()
    if text is None:
        return None
    if _EXPRESSION.fullmatch(text):
        ref.report(
            "bad-expression", f"{quoted(text)} is no dataset", f"write NAME: {text} in place of the map"
        )
        return None
    try:
        return DatasetRef.parse(text)
    except InputError:
        hint = "write [NAMESPACE/]NAME[:VERSION] with letters, digits, '.', '_' and '-'"
        ref.report("bad-dataset", f"{quoted(text)} is no dataset", hint)
        return None


def dataset_to_write(field: Field) -> DatasetRef | None:
    """Like dataset(), for an output: a run makes a new version, so none can be named."""
    ref = dataset(field)
    if ref is None:
        return None
    if ref.version != LATEST or ref.namespace != "default":
        what = "version" if ref.version != LATEST else "namespace"
        hint = f"write ref: {ref.name}"
        field.report("bad-dataset", f"an output can't name a {what}: a run makes a new version here", hint)
        return None
    return ref
