"""A value of the file with the path of keys that leads to it: what every check reads through."""

from collections.abc import Iterable
from dataclasses import dataclass

from argo.language.diagnostics import Findings
from argo.language.model import Position
from argo.language.nodes import Mapping, Node, Scalar, Sequence
from job.text import did_you_mean, listed, quoted, shortened

_KINDS = {Scalar: "a string", Sequence: "a list", Mapping: "a mapping"}


@dataclass(frozen=True, slots=True)
class Field:
    """One value. `key` is its path (`jobs.train.env.SEED`), `key_at` the position of its own key."""

    node: Node
    key: str
    key_at: Position
    findings: Findings

    def report(self, code: str, message: str, hint: str = "", at: Position | None = None) -> None:
        """Add a diagnostic of this value, at `at` or else at the value."""
        self.findings.add(code, at or self.node.at, self.key, message, hint)

    @property
    def null(self) -> bool:
        return isinstance(self.node, Scalar) and self.node.null

    @property
    def is_string(self) -> bool:
        return isinstance(self.node, Scalar)

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, Sequence)

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, Mapping)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of a mapping; none if it is something else."""
        return tuple(self.node.values) if isinstance(self.node, Mapping) else ()

    def string(self) -> str | None:
        """The string, as written. None, and an error, for a list, a mapping, null, or a NUL character."""
        text = self.text()
        if text is not None and isinstance(self.node, Scalar):
            self._check_quotes(self.node)
        return text

    def text(self) -> str | None:
        """Like string(), but a number, a boolean or a date needs no quotes."""
        if not isinstance(self.node, Scalar):
            self.report("wrong-type", f"must be a string, not {_KINDS[type(self.node)]}", self._dash_hint())
            return None
        if self.null:
            self.report("wrong-type", "must be a string, not null", "write '' for an empty string")
            return None
        if "\0" in self.node.text:
            self.report("wrong-type", "the character NUL is not allowed here")
            return None
        return self.node.text

    def string_or_empty(self) -> str | None:
        """Like string(), but null is the empty string, with a warning: for `env` and defaults."""
        if isinstance(self.node, Scalar) and self.node.null:
            self._check_quotes(self.node)
            return ""
        return self.string()

    def _check_quotes(self, node: Scalar) -> None:
        if not node.is_string:
            quotes = f'"{"" if node.null else node.text}"'
            self.report("unquoted-value", f"not a string without quotes; read as {quotes}", f"write {quotes}")

    def _dash_hint(self) -> str:
        """The hint for an unquoted `-`, which YAML reads as a list of null."""
        if isinstance(self.node, Sequence) and len(self.node.items) == 1:
            item = self.node.items[0]
            return "write '-' in quotes" if isinstance(item, Scalar) and item.null else ""
        return ""

    def items(self) -> "list[Field]":
        """The values of a list; an error if it is something else."""
        if not isinstance(self.node, Sequence):
            self.report("wrong-type", f"must be a list, not {_KINDS[type(self.node)]}")
            return []
        return [
            Field(item, f"{self.key}[{number}]", item.at, self.findings)
            for number, item in enumerate(self.node.items)
        ]

    def strings(self) -> tuple[str, ...] | None:
        """A list of strings; None if it is no list or one of its items is no string."""
        strings = [item.string() for item in self.items()]
        if not isinstance(self.node, Sequence) or any(string is None for string in strings):
            return None
        return tuple(string for string in strings if string is not None)

    def entries(self) -> "dict[str, Field]":
        """The values of a mapping by their keys, whatever those are; an error if it is something else."""
        if self.null:
            return {}
        if not isinstance(self.node, Mapping):
            hint = "write NAME: VALUE lines, without '-'" if isinstance(self.node, Sequence) else ""
            self.report("wrong-type", f"must be a mapping, not {_KINDS[type(self.node)]}", hint)
            return {}
        prefix = f"{self.key}." if self.key else ""
        for duplicate in self.node.duplicates:
            last = self.node.keys[duplicate.text].at
            message = f"duplicate key; the one on line {last.line} counts"
            key = prefix + shortened(duplicate.text)
            self.findings.add("duplicate-key", duplicate.at, key, message, "remove one of them")
        return {
            key: Field(value, prefix + shortened(key), self.node.keys[key].at, self.findings)
            for key, value in self.node.values.items()
        }

    def fields(
        self, known: Iterable[str], hints: dict[str, str] | None = None, code: str = "unknown-key"
    ) -> "dict[str, Field]":
        """The values of a mapping that has a fixed set of keys.

        Others are left out and reported as `code`; the hint is the one in `hints`, or else the nearest key.
        """
        known = tuple(known)
        fields = self.entries()
        for key, field in fields.items():
            if key not in known:
                missing = [other for other in known if other not in fields]
                hint = (hints or {}).get(key) or did_you_mean(key, missing, f"the keys are {listed(known)}")
                field.report(code, f"the key {quoted(key)} is not allowed here", hint, field.key_at)
        return {key: field for key, field in fields.items() if key in known}

    def require(self, fields: "dict[str, Field]", key: str, hint: str = "") -> "Field | None":
        """`fields[key]`, or None and an error at this mapping; no second error if it is no mapping."""
        if key not in fields and (self.is_mapping or self.null):
            self.report("missing-key", f"{quoted(key)} is missing", hint, self.key_at)
        return fields.get(key)
