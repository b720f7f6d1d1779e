"""What renders chat templates: a process of its own, since a template is a program that came with a model.

    python -m job.generate.chat.renderer

Its first line of input is {"source", "special_tokens", "now", "seconds"}, each further one a list of
messages; it answers each with a line {"text"} or {"error"}. A template that runs for too long ends the
process, and one that takes too much memory gets no more. The environment is that of transformers 5.23
(utils/chat_template_utils.py), so that a template gives the same text.
"""

import json
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from jinja2 import Template, nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

MEMORY = 2**30  # bytes, for the process
LENGTH = 2**26  # characters, of a text
_LONGEST_ERROR = 1000  # characters

# Names under which a message may have its reasoning; templates read the first, some the second.
_REASONING = ("reasoning_content", "thinking", "reasoning")


def compile_template(source: str, now: datetime) -> Template:
    """The template, whose `strftime_now` tells `now`. Raises TemplateError if it is none."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals |= {
        "raise_exception": _raise_exception,
        "strftime_now": now.strftime,
        "dict": _Dict(),
        "namespace": _Namespace,
    }
    return environment.from_string(source)


def render(
    template: Template, messages: Sequence[Mapping[str, Any]], special_tokens: Mapping[str, str]
) -> str:
    """The messages as one text, up to where the answer begins.

    special_tokens: by the names that templates know, such as bos_token. Raises what a template may raise.
    """
    parts, length = [], 0
    variables = {"tools": None, "documents": None, **special_tokens, "add_generation_prompt": True}
    for part in template.generate(messages=list(map(_normalize, messages)), **variables):
        length += len(part)
        if length > LENGTH:
            raise TemplateError(f"its text is longer than {LENGTH} characters")
        parts.append(part)
    text = "".join(parts)
    text.encode()  # half of a surrogate pair is an error of the row
    return text


def _normalize(message: Mapping[str, Any]) -> dict[str, Any]:
    """The message without what is null, its reasoning under each name that templates read."""
    present = {key: value for key, value in message.items() if value is not None}
    reasoning = next((present[key] for key in _REASONING if key in present), None)
    if reasoning is None:
        return present
    return {"thinking": reasoning, **present, "reasoning_content": reasoning}


class _Generation(Extension):
    """`{% generation %}` marks answers, for training; here it means nothing."""

    tags = {"generation"}  # noqa: RUF012  # jinja2's name

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


class _Dict:
    """`dict` without what a type has beside."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


class _Namespace(Namespace):
    """`namespace`, without names of Python's own."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # so that `namespace(self=...)` works
        self, *values = args
        attributes = dict(*values, **kwargs)
        for name in attributes:
            _check_name(name)
        Namespace.__init__(self, attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


def _check_name(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a namespace takes no {name!r}")


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON without the escapes for HTML of jinja2's own filter."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _try(call: Callable[[], str]) -> dict[str, str]:
    try:
        return {"text": call()}
    except MemoryError:
        return {"error": f"it takes more than {MEMORY >> 20} MiB of memory"}
    except RecursionError:
        return {"error": "it calls itself without end"}
    except Exception as error:  # a template may raise anything
        return {"error": str(error)[:_LONGEST_ERROR] or type(error).__name__}


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and ends this process
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    first = json.loads(sys.stdin.readline())
    template: list[Template] = []

    def start() -> str:
        template.append(compile_template(first["source"], datetime.fromisoformat(first["now"])))
        return ""

    def answer(call: Callable[[], str]) -> None:
        signal.setitimer(signal.ITIMER_REAL, first["seconds"])  # it ends the process, whatever that is doing
        line = json.dumps(_try(call))
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    answer(start)
    for line in sys.stdin:
        answer(partial(render, template[0], json.loads(line), first["special_tokens"]))


if __name__ == "__main__":
    main()
