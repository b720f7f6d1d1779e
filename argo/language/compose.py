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
from job.text import quoted

MAX_DEPTH = 50
# Nodes of the file with every alias expanded: what the checks would visit.
MAX_NODES = 20_000


class _SyntaxError(Exception):
    """Stops the composer: the file can't be read further."""

    def __init__(self, code: str, at: Position, message: str, hint: str = "") -> None:
        self.code, self.at, self.hint = code, at, hint
        super().__init__(message)


def compose(text: str, findings: Findings) -> Node | None:
    """The one document in `text`, or None if it is empty or has an error, which is added to `findings`."""
    try:
        return _build_tree(_parse(text))
    except _SyntaxError as error:
        findings.add(error.code, error.at, "", str(error), error.hint)
        return None


def _parse(text: str) -> Iterator[Any]:
    """The parser's events; whatever it raises becomes one _SyntaxError."""
    at = Position(1, 1)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            at = _position(event.start_mark)
            yield event
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _SyntaxError("yaml-syntax", _position(mark) if mark else at, *_explain(error, text)) from None
    except ReaderError as error:
        before = text[: error.position]
        at = Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
        message = f"the character U+{error.character:04X} is not allowed in YAML"
        hint = f'write it in double quotes as "\\u{error.character:04x}"'
        raise _SyntaxError("yaml-syntax", at, message, hint) from None
    except (YAMLError, ArithmeticError, LookupError, ValueError, TypeError, AttributeError) as error:
        # ruamel lets these through for an escape such as "\UFFFFFFFF"
        raise _SyntaxError("yaml-syntax", at, f"not valid YAML: {str(error).splitlines()[0]}") from None


def _position(mark: Any) -> Position:
    return Position(mark.line + 1, mark.column + 1)


def _build_tree(events: Iterator[Any]) -> Node | None:
    """Build the tree with a stack of open nodes: deep nesting costs no recursion."""
    roots: list[Node] = []
    anchors: dict[str, Node | None] = {}
    stack: list[_OpenNode] = []
    for event in events:
        at = _position(event.start_mark)
        if isinstance(event, DocumentStartEvent) and roots:
            raise _SyntaxError("yaml-syntax", at, "a second document starts here", "one workflow a file")
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
        raise _SyntaxError("too-large", at, f"nested more than {MAX_DEPTH} levels deep")
    if event.anchor is not None:
        anchors[event.anchor] = None
    return _OpenNode(Mapping(at) if isinstance(event, MappingStartEvent) else Sequence(at), event.anchor)


def _join_surrogates(text: str, at: Position) -> str:
    """`text` with the surrogate pairs of JSON's escapes joined; half a pair is an error."""
    try:
        return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise _SyntaxError("yaml-syntax", at, "this escape is half a character (a surrogate)") from None


def _check_tag(event: Any, at: Position) -> None:
    tag = str(event.tag or "")
    if tag not in ("", "!") and not tag.startswith("tag:yaml.org,2002:"):
        raise _SyntaxError(
            "yaml-syntax", at, f"unknown tag {quoted(tag)}", "quote a string that starts with '!'"
        )


def _resolve_alias(name: str, anchors: dict[str, Node | None], at: Position) -> Node:
    node = anchors.get(name)
    if node is not None:
        return node
    problem = "refers to a value that contains it" if name in anchors else "has no anchor before it"
    hint = "" if name in anchors else "quote a string that starts with '*'"
    raise _SyntaxError("yaml-syntax", at, f"the alias {quoted('*' + name)} {problem}", hint)


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
            raise _SyntaxError(
                "too-large", child.at, f"more than {MAX_NODES:,} values, with aliases expanded"
            )
        if isinstance(self.node, Sequence):
            self.node.items.append(child)
        elif self.key is None:
            if not isinstance(child, Scalar):
                hint = "quote a string that starts with '{' or '['"
                raise _SyntaxError("yaml-syntax", child.at, "a list or a mapping can't be a key", hint)
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
        if key.text in node.values:
            node.duplicates.append(node.keys[key.text])
        node.values[key.text], node.keys[key.text] = value, key

    def close(self) -> tuple[Node, str | None]:
        """The finished node and its anchor; YAML 1.1's `<<: *other` adds the keys that are missing."""
        for value in self.merged:
            for other in value.items if isinstance(value, Sequence) else [value]:
                if not isinstance(other, Mapping) or not isinstance(self.node, Mapping):
                    raise _SyntaxError("yaml-syntax", value.at, "'<<' takes a mapping, or a list of mappings")
                for key in [key for key in other.values if key not in self.node.values]:
                    self.node.values[key], self.node.keys[key] = other.values[key], other.keys[key]
        return self.node, self.anchor


def _explain(error: MarkedYAMLError, text: str) -> tuple[str, str]:
    """The parser's message in one line, and a hint."""
    problem = (error.problem or error.context or "not valid YAML").rstrip(".")
    context = f" {error.context}" if error.context and error.problem else ""
    if "expected '<document start>'" in problem:
        problem = "a second value starts after the end of the first"
    return f"{problem}{context}", _hint(f"{problem}{context}", error.problem_mark, text)


def _hint(problem: str, mark: Any, text: str) -> str:
    """What people mostly did when the parser had that problem."""
    lines = text.split("\n")[: mark.line + 1] if mark else [""]
    before = next((line for line in lines[-2::-1] if line.strip()), "")
    outdented = before.lstrip().startswith("#") and _indent(before) < _indent(lines[-1])
    hints = {
        "YAML indents with spaces, not tabs": "'\\t'" in problem,
        "a comment that is indented less ends the block above it: indent it like the block": outdented,
        "a line before it has no ':'; in a block of text every line is indented": "expected ':'" in problem,
        "quote a string that contains ': ', and compare the indentation with the lines above": (
            "mapping values" in problem
        ),
        "quote a string that starts with '%', '@' or '`'": "cannot start any token" in problem,
        "compare the indentation with the lines above; a line may have lost its '#'": (
            "block" in problem or "second value" in problem
        ),
    }
    return next((hint for hint, fits in hints.items() if fits), "")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
