"""From a text to nodes: one composer over ruamel.yaml's events, with limits on what they may be."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from argo.language.diagnostics import Findings
from argo.language.model import Position
from argo.language.nodes import Mapping, Node, Scalar, Sequence
from argo.language.syntax import explained
from job.text import quoted

MAX_DEPTH = 50
# Nodes of the file with every alias written out: what the checks would walk.
MAX_NODES = 20_000


class _BrokenError(Exception):
    """Stops the composer: the file can't be read further."""

    def __init__(self, code: str, at: Position, message: str, hint: str = "") -> None:
        self.code, self.at, self.hint = code, at, hint
        super().__init__(message)


def compose(text: str, findings: Findings) -> Node | None:
    """The one document in `text`, or None where there is none or an error was noted."""
    try:
        return _document(_events(text))
    except _BrokenError as broken:
        findings.add(broken.code, broken.at, "", str(broken), broken.hint)
        return None


def _events(text: str) -> Iterator[Any]:
    """The parser's events; whatever it raises becomes one located error."""
    at = Position(1, 1)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            at = _position(event.start_mark)
            yield event
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _BrokenError("yaml-syntax", _position(mark) if mark else at, *explained(error, text)) from None
    except ReaderError as error:
        before = text[: error.position]
        at = Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
        message = f"the character U+{error.character:04X} can't stand in YAML"
        hint = 'write it as an escape: "\\x1b"'
        raise _BrokenError("yaml-syntax", at, message, hint) from None
    except (YAMLError, ArithmeticError, LookupError, ValueError, TypeError, AttributeError) as error:
        # ruamel lets these through for an escape such as "\UFFFFFFFF"
        raise _BrokenError("yaml-syntax", at, f"not YAML: {str(error).splitlines()[0]}") from None


def _position(mark: Any) -> Position:
    return Position(mark.line + 1, mark.column + 1)


def _document(events: Iterator[Any]) -> Node | None:
    """Build the tree with a stack of open nodes: deep nesting costs no recursion."""
    roots: list[Node] = []
    anchors: dict[str, Node | None] = {}
    stack: list[_Open] = []
    for event in events:
        at = _position(event.start_mark)
        if isinstance(event, DocumentStartEvent) and roots:
            raise _BrokenError("yaml-syntax", at, "a second document starts here", "one workflow a file")
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            stack.append(_opened(event, at, len(stack), anchors))
            continue
        if isinstance(event, MappingEndEvent | SequenceEndEvent):
            node, anchor = stack.pop().close()
        elif isinstance(event, AliasEvent):
            node, anchor = _aliased(event.anchor, anchors, at), None
        elif isinstance(event, ScalarEvent):
            _check_tag(event, at)
            plain = event.tag is None and event.style is None
            node, anchor = Scalar(_whole(event.value, at), at, plain, block=event.style == "|"), event.anchor
        else:
            continue
        if anchor is not None:
            anchors[anchor] = node
        if stack:
            stack[-1].add(node)
        else:
            roots.append(node)
    return roots[0] if roots else None


def _opened(event: Any, at: Position, depth: int, anchors: dict[str, Node | None]) -> "_Open":
    _check_tag(event, at)
    if depth == MAX_DEPTH:
        raise _BrokenError("too-large", at, f"nested more than {MAX_DEPTH} levels deep")
    if event.anchor is not None:
        anchors[event.anchor] = None
    return _Open(Mapping(at) if isinstance(event, MappingStartEvent) else Sequence(at), event.anchor)


def _whole(text: str, at: Position) -> str:
    """`text` with the surrogate pairs that JSON's escapes write joined; a single one is an error."""
    try:
        return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise _BrokenError("yaml-syntax", at, "the escapes make half a character (a surrogate)") from None


def _check_tag(event: Any, at: Position) -> None:
    tag = str(event.tag or "")
    if tag not in ("", "!") and not tag.startswith("tag:yaml.org,2002:"):
        raise _BrokenError(
            "yaml-syntax", at, f"unknown tag {quoted(tag)}", "quote a text that starts with '!'"
        )


def _aliased(name: str, anchors: dict[str, Node | None], at: Position) -> Node:
    node = anchors.get(name)
    if node is not None:
        return node
    inside = "stands inside what it names" if name in anchors else "names no anchor before it"
    hint = "" if name in anchors else "quote a text that starts with '*'"
    raise _BrokenError("yaml-syntax", at, f"the alias {quoted('*' + name)} {inside}", hint)


@dataclass(slots=True)
class _Open:
    """A list or map whose end has not come yet; in a map keys and values come in turn."""

    node: Mapping | Sequence
    anchor: str | None
    key: Scalar | None = None
    merged: list[Node] = field(default_factory=list)

    def add(self, child: Node) -> None:
        self.node.size += child.size
        if self.node.size > MAX_NODES:
            raise _BrokenError("too-large", child.at, f"more than {MAX_NODES:,} values, aliases written out")
        if isinstance(self.node, Sequence):
            self.node.items.append(child)
        elif self.key is None:
            if not isinstance(child, Scalar):
                hint = "quote a text that starts with '{' or '['"
                raise _BrokenError("yaml-syntax", child.at, "a list or a map can't be a key", hint)
            self.key = child
        else:
            self._pair(self.node, self.key, child)
            self.key = None

    def _pair(self, node: Mapping, key: Scalar, value: Node) -> None:
        if key.plain and key.text == "<<":
            self.merged.append(value)
            return
        if key.text in node.values:
            node.repeated.append(node.names[key.text])
        node.values[key.text], node.names[key.text] = value, key

    def close(self) -> tuple[Node, str | None]:
        """The finished node and its anchor; YAML 1.1's `<<: *other` adds keys that it lacks."""
        for value in self.merged:
            for other in value.items if isinstance(value, Sequence) else [value]:
                if not isinstance(other, Mapping) or not isinstance(self.node, Mapping):
                    raise _BrokenError("yaml-syntax", value.at, "'<<' takes a map, or a list of maps")
                for name in [name for name in other.values if name not in self.node.values]:
                    self.node.values[name], self.node.names[name] = other.values[name], other.names[name]
        return self.node, self.anchor
