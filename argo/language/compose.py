"""From a text to nodes: a composer over ruamel.yaml's events, with limits on size and nesting."""

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
from argo.language.yaml_errors import YamlError, check_key, explain_character, explain_syntax, mark_position
from argo.yaml_file import UNREADABLE
from job.text import quoted

MAX_DEPTH = 50
# Nodes of the file with every alias expanded: what the checks would visit.
MAX_NODES = 20_000


def compose(text: str, findings: Findings) -> Node | None:
    """The one document in `text`, or None if it is empty or has an error, which is added to `findings`."""
    try:
        return _build_tree(_parse(text))
    except YamlError as error:
        findings.add(error.code, error.at, "", str(error), error.hint)
        return None


def _parse(text: str) -> Iterator[Any]:
    """The parser's events; whatever it raises becomes one YamlError."""
    at = Position(1, 1)
    last: ScalarEvent | None = None
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            at = mark_position(event.start_mark)
            last = event if isinstance(event, ScalarEvent) else last
            yield event
    except MarkedYAMLError as error:
        raise explain_syntax(error, text, last, at) from None
    except ReaderError as error:
        raise explain_character(error, text) from None
    except (YAMLError, *UNREADABLE) as error:
        raise YamlError("yaml-syntax", at, f"not valid YAML: {str(error).splitlines()[0]}") from None


def _build_tree(events: Iterator[Any]) -> Node | None:
    """Build the tree with a stack of open nodes: deep nesting costs no recursion."""
    roots: list[Node] = []
    anchors: dict[str, Node | None] = {}
    stack: list[_OpenNode] = []
    for event in events:
        at = mark_position(event.start_mark)
        if isinstance(event, DocumentStartEvent) and roots:
            raise YamlError("yaml-syntax", at, "a second document starts here", "one workflow a file")
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            stack.append(_open(event, at, len(stack), anchors))
            continue
        if isinstance(event, MappingEndEvent | SequenceEndEvent):
            node, anchor = stack.pop().close()
        elif isinstance(event, AliasEvent):
            node, anchor = _resolve_alias(event.anchor, anchors, at), None
        elif isinstance(event, ScalarEvent):
            _check_tag(event, at)
            plain = event.tag is None and event.style is None
            node, anchor = (
                Scalar(_join_surrogates(event.value, at), at, plain, block=event.style == "|"),
                event.anchor,
            )
        else:
            continue
        if anchor is not None:
            anchors[anchor] = node
        if stack:
            stack[-1].add(node)
        else:
            roots.append(node)
    return roots[0] if roots else None


def _open(event: Any, at: Position, depth: int, anchors: dict[str, Node | None]) -> "_OpenNode":
    _check_tag(event, at)
    if depth == MAX_DEPTH:
        raise YamlError("too-large", at, f"nested more than {MAX_DEPTH} levels deep")
    if event.anchor is not None:
        anchors[event.anchor] = None
    return _OpenNode(Mapping(at) if isinstance(event, MappingStartEvent) else Sequence(at), event.anchor)


def _join_surrogates(text: str, at: Position) -> str:
    """`text` with the surrogate pairs of JSON's escapes joined; half a pair is an error."""
    try:
        return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise YamlError("yaml-syntax", at, "this escape is half a character (a surrogate)") from None


def _check_tag(event: Any, at: Position) -> None:
    tag = str(event.tag or "")
    if tag not in ("", "!") and not tag.startswith("tag:yaml.org,2002:"):
        raise YamlError(
            "yaml-syntax", at, f"unknown tag {quoted(tag)}", "quote a string that starts with '!'"
        )


def _resolve_alias(name: str, anchors: dict[str, Node | None], at: Position) -> Node:
    node = anchors.get(name)
    if node is not None:
        return node
    problem = "refers to a value that contains it" if name in anchors else "has no anchor before it"
    hint = "" if name in anchors else "quote a string that starts with '*'"
    raise YamlError("yaml-syntax", at, f"the alias {quoted('*' + name)} {problem}", hint)


@dataclass(slots=True)
class _OpenNode:
    """A list or mapping whose end has not come yet; in a mapping keys and values alternate."""

    node: Mapping | Sequence
    anchor: str | None
    key: Scalar | None = None
    merged: list[Node] = field(default_factory=list)

    def add(self, child: Node) -> None:
        self.node.size += child.size
        if self.node.size > MAX_NODES:
            raise YamlError("too-large", child.at, f"more than {MAX_NODES:,} values, with aliases expanded")
        if isinstance(self.node, Sequence):
            self.node.items.append(child)
        elif self.key is None:
            if not isinstance(child, Scalar):
                hint = "quote a string that starts with '{' or '['"
                raise YamlError("yaml-syntax", child.at, "a list or a mapping can't be a key", hint)
            self.key = child
        else:
            self._add_entry(self.node, self.key, child)
            self.key = None

    def _add_entry(self, node: Mapping, key: Scalar, value: Node) -> None:
        if key.plain and key.text == "<<":
            self.merged.append(value)
            return
        if isinstance(value, Scalar) and value.null and not value.text:
            value.at = key.at  # the parser's position is that of whatever comes next
        if key.plain:
            check_key(key.text, key.at)
        if key.text in node.values:
            node.duplicates.append(node.keys[key.text])
        node.values[key.text], node.keys[key.text] = value, key

    def close(self) -> tuple[Node, str | None]:
        """The finished node and its anchor; YAML 1.1's `<<: *other` adds the keys that are missing."""
        for value in self.merged:
            for other in value.items if isinstance(value, Sequence) else [value]:
                if not isinstance(other, Mapping) or not isinstance(self.node, Mapping):
                    raise YamlError("yaml-syntax", value.at, "'<<' takes a mapping, or a list of mappings")
                for key in [key for key in other.values if key not in self.node.values]:
                    self.node.values[key], self.node.keys[key] = other.values[key], other.keys[key]
        return self.node, self.anchor
