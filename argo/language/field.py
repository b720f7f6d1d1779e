"""A value of the file with the path of keys that leads to it: what every check reads through."""

from collections.abc import Iterable
from dataclasses import dataclass

from argo.language.diagnostics import Findings
from argo.language.model import Position
from argo.language.nodes import Mapping, Node, Scalar, Sequence
from job.text import did_you_mean, listed, quoted, shortened

_KINDS = {Scalar: "a text", Sequence: "a list", Mapping: "a map"}


@dataclass(frozen=True, slots=True)
class Field:
    """One value. `key` is its path (`jobs.train.env.SEED`), `name_at` where its own key stands."""

    node: Node
    key: str
    name_at: Position
    findings: Findings

    def report(self, code: str, message: str, hint: str = "", at: Position | None = None) -> None:
        """Note something about this value, at the value unless told."""
        self.findings.add(code, at or self.node.at, self.key, message, hint)

    @property
    def null(self) -> bool:
        return isinstance(self.node, Scalar) and self.node.null

    @property
    def is_text(self) -> bool:
        return isinstance(self.node, Scalar)

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, Sequence)

    @property
    def is_map(self) -> bool:
        return isinstance(self.node, Mapping)

    @property
    def names(self) -> tuple[str, ...]:
        """The keys of a map; none where it is no map."""
        return tuple(self.node.values) if isinstance(self.node, Mapping) else ()

    def text(self) -> str | None:
        """The text, as written. None, and an error, where it is a list, a map, nothing, or has a NUL."""
        if not isinstance(self.node, Scalar):
            self.report("wrong-type", f"must be a text, not {_KINDS[type(self.node)]}", self._dash())
            return None
        if self.null:
            self.report("wrong-type", "must be a text, not nothing", "write '' for an empty text")
            return None
        if "\0" in self.node.text:
            self.report("wrong-type", "can't hold the character NUL")
            return None
        self._check_quotes(self.node)
        return self.node.text

    def value(self) -> str | None:
        """Like text(), but nothing is the empty text, with a warning: for `env` and defaults."""
        if isinstance(self.node, Scalar) and self.node.null:
            self._check_quotes(self.node)
            return ""
        return self.text()

    def _check_quotes(self, node: Scalar) -> None:
        if not node.is_text:
            written = "" if node.null else node.text
            quotes = f'"{written}"'
            self.report("unquoted-value", f"not a text without quotes; taken as {quotes}", f"write {quotes}")

    def _dash(self) -> str:
        """The hint for an unquoted `-`, which YAML reads as a list of nothing."""
        if isinstance(self.node, Sequence) and len(self.node.items) == 1:
            only = self.node.items[0]
            return "write '-' in quotes" if isinstance(only, Scalar) and only.null else ""
        return ""

    def items(self) -> "list[Field]":
        """The values of a list; an error where it is none."""
        if not isinstance(self.node, Sequence):
            self.report("wrong-type", f"must be a list, not {_KINDS[type(self.node)]}")
            return []
        return [
            Field(item, f"{self.key}[{number}]", item.at, self.findings)
            for number, item in enumerate(self.node.items)
        ]

    def texts(self) -> tuple[str, ...] | None:
        """A list of texts; None where it is no list or one of them is no text."""
        texts = [item.text() for item in self.items()]
        if not isinstance(self.node, Sequence) or any(text is None for text in texts):
            return None
        return tuple(text for text in texts if text is not None)

    def entries(self) -> "dict[str, Field]":
        """The values of a map by their names, whatever those are; an error where it is none."""
        if self.null:
            return {}
        if not isinstance(self.node, Mapping):
            kind = _KINDS[type(self.node)]
            hint = "write NAME: VALUE lines, without '-'" if isinstance(self.node, Sequence) else ""
            self.report("wrong-type", f"must be a map, not {kind}", hint)
            return {}
        prefix = f"{self.key}." if self.key else ""
        for before in self.node.repeated:
            again = self.node.names[before.text].at
            message = f"stands again on line {again.line}, and that one counts"
            self.findings.add(
                "duplicate-key", before.at, prefix + shortened(before.text), message, "remove one of them"
            )
        return {
            name: Field(value, prefix + shortened(name), self.node.names[name].at, self.findings)
            for name, value in self.node.values.items()
        }

    def fields(self, known: Iterable[str], instead: dict[str, str] | None = None) -> "dict[str, Field]":
        """The values of a map that has a fixed set of keys.

        Others are left out with a warning, whose hint is the one in `instead`, or the nearest key.
        """
        known = tuple(known)
        found = self.entries()
        for name, value in found.items():
            if name not in known:
                missing = [each for each in known if each not in found]
                hint = (instead or {}).get(name) or did_you_mean(
                    name, missing, f"the keys are {listed(known)}"
                )
                value.report("unknown-key", f"{quoted(name)} is not a key here", hint, value.name_at)
        return {name: value for name, value in found.items() if name in known}

    def require(self, found: "dict[str, Field]", name: str, hint: str = "") -> "Field | None":
        """`found[name]`, or None and an error at this map. Of what is no map that is said already."""
        if name not in found and (self.is_map or self.null):
            self.report("missing-key", f"{quoted(name)} is missing", hint, self.name_at)
        return found.get(name)
