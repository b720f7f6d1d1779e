"""YAML's values with their positions: scalars, lists and mappings, before anything is checked.

Scalars keep the text that was written. YAML 1.1 and 1.2 disagree on what `yes`, `0777`, `1:30` and
`0.10` are, and the language has only strings: so nothing is resolved to another type here.
"""

import re
from dataclasses import dataclass, field

from argo.language.model import Position

# What YAML 1.1 or 1.2 reads as something other than a string when it has no quotes.
_NOT_STRING = re.compile(
    r"""~|null|true|false|yes|no|on|off
    |[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-f_]+|\d[\d_]*(:[0-5]?\d)*(\.[\d_]*)?(e[-+]?\d+)?|\.\d[\d_]*(e[-+]?\d+)?)
    |[-+]?\.inf|\.nan
    |\d{4}-\d\d?-\d\d?([t ]\s*\d\d?:\d\d:\d\d(\.\d*)?\s*(z|[-+]\d\d?(:?\d\d)?)?)?""",
    re.IGNORECASE | re.VERBOSE,
)
_NULL = ("", "~", "null", "Null", "NULL")


@dataclass(slots=True)
class Scalar:
    """A text as written. `plain`: it has no quotes and no tag; `block`: it is under a `|`."""

    text: str
    at: Position
    plain: bool = False
    block: bool = False
    size: int = 1

    @property
    def null(self) -> bool:
        return self.plain and self.text in _NULL

    @property
    def is_string(self) -> bool:
        """Whether both YAML versions read it as a string."""
        return not self.plain or not (self.text == "" or _NOT_STRING.fullmatch(self.text))


@dataclass(slots=True)
class Sequence:
    """A list."""

    at: Position
    items: "list[Node]" = field(default_factory=list)
    size: int = 1


@dataclass(slots=True)
class Mapping:
    """A mapping, in the file's order; `keys` holds each key's node, `duplicates` those that are overridden.

    Of a duplicate key the last one counts, as in the loader that Gradient used.
    """

    at: Position
    values: "dict[str, Node]" = field(default_factory=dict)
    keys: dict[str, Scalar] = field(default_factory=dict)
    duplicates: list[Scalar] = field(default_factory=list)
    size: int = 1


Node = Scalar | Sequence | Mapping
