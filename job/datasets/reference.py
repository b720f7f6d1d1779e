"""The name of a dataset's version: `[namespace/]name[:version]`."""

import re
from dataclasses import dataclass

from job.errors import InputError
from job.text import quoted

DEFAULT_NAMESPACE = "default"
LATEST = "latest"

RUNS = "runs"
TRIGGERS = "triggers"
RESERVED = (RUNS, TRIGGERS)  # first parts of the store's own keys, so they can't be namespaces of datasets

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def is_name(text: str) -> bool:
    """Whether a dataset, version or tag can have this name."""
    return _PART.fullmatch(text) is not None


def is_namespace(text: str) -> bool:
    """Whether a namespace of datasets can have this name."""
    return is_name(text) and text not in RESERVED


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """A dataset and one version of it: a version's id, a tag, or `latest`.

    Gradient wrote `demo-dataset`, `dsr8k5qzn401lb5:klfoyy9`, `gradient/mnist:latest`; for
    textgen an id is a name like any other.
    """

    name: str
    version: str = LATEST
    namespace: str = DEFAULT_NAMESPACE

    def __post_init__(self) -> None:
        """Raises InputError if the namespace is the store's own."""
        if self.namespace in RESERVED:
            raise InputError(
                f"{self}: the namespace {self.namespace!r} is reserved for the store itself; use another"
            )

    @classmethod
    def parse(cls, text: str) -> "DatasetRef":
        """Read `[namespace/]name[:version]`.

        Raises InputError if a part is empty or holds other characters than
        letters, digits, `.`, `_` and `-`, and for a namespace that is the store's own.
        """
        path, colon, version = text.partition(":")
        namespace, slash, name = path.rpartition("/")
        parts = [name, *([namespace] if slash else []), *([version] if colon else [])]
        if not all(map(is_name, parts)):
            raise InputError(
                f"not a dataset reference: {quoted(text)}; write [namespace/]name[:version] "
                "with letters, digits, '.', '_' and '-'"
            )
        return cls(name, version or LATEST, namespace or DEFAULT_NAMESPACE)

    @property
    def dataset(self) -> str:
        """The reference without its version."""
        return self.name if self.namespace == DEFAULT_NAMESPACE else f"{self.namespace}/{self.name}"

    def __str__(self) -> str:
        return f"{self.dataset}:{self.version}"
