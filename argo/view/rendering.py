"""The templates, and what they may call."""

import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from argo.units import format_age, format_bytes, format_duration, format_progress, format_seconds
from argo.view.safe_text import mark_controls, mark_found, show_controls

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"


@cache
def get_environment() -> Environment:
    """The templates. Every value is escaped, and shows its control characters."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        finalize=_make_safe,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "age": format_age,
        "bytes": format_bytes,
        "count": format_count,
        "counted": count_things,
        "digest": format_digest,
        "duration": format_duration,
        "found": mark_found,
        "json": lambda value: encode_json(value).decode("utf-8", "replace"),
        "marked": mark_controls,
        "percent": format_percent,
        "progress": format_progress,
        "seconds": format_seconds,
    }
    environment.globals |= {"url": build_url}
    return environment


def render(name: str, values: Mapping[str, Any]) -> str:
    """The HTML of a template."""
    return get_environment().get_template(name).render(values)


def build_url(*parts: str, **query: object) -> str:
    """A path of this server, with what is set of `query`; a list gives several values of one name."""
    path = "/" + "/".join(quote(str(part), safe="/:@") for part in parts)
    pairs = [(name, value) for name, value in query.items() if value not in (None, "", [])]
    return f"{path}?{urlencode(pairs, doseq=True)}" if pairs else path


def format_count(number: int) -> str:
    """1,000,000 with thin spaces, which no line ends at."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def count_things(number: int, thing: str) -> str:
    """1 text, 2 texts."""
    return f"{format_count(number)} {thing}{'s' if number != 1 else ''}"


def format_percent(part: float) -> str:
    """12 %, 0.4 %, of a part of 1."""
    percent = 100 * part
    return f"{percent:.1f} %" if 0 < percent < 10 or 99 < percent < 100 else f"{percent:.0f} %"


def format_digest(text: str) -> str:
    """A text with the beginnings of the digests in it."""
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{20,}\b", r"\1…", text)


def to_json(value: object) -> Any:
    """A page's values as JSON types."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, Enum):
        return value.value
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def encode_json(value: object) -> bytes:
    """As JSON in UTF-8, with lone surrogates as escapes."""
    return json.dumps(to_json(value), ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")


def _make_safe(value: Any) -> Any:
    """What stands in a page for the value of an expression; autoescape does the rest."""
    if isinstance(value, Markup):
        return value
    return "" if value is None else show_controls(str(value))
