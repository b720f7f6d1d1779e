"""A file of a version: a picture, a table, text, or what is known of it."""

import csv
import json
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from argo.view.page import Page
from argo.view.sources import Sources
from job.datasets import DatasetRef, File, Version
from job.errors import UnknownReferenceError
from job.untrusted_json import parse_json

_SHOWN = 256 << 10  # bytes of a text
_LARGEST_INDENTED = 2 << 20  # characters: indents can make a file of deep lists a thousand times as large
_LARGEST_PICTURE = 32 << 20  # bytes
_ROWS = 500  # of a table

_PNG, _JPEG, _GIF, _WEBP, _SVG = "image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"
_BEGINNINGS = {b"\x89PNG\r\n\x1a\n": _PNG, b"\xff\xd8\xff": _JPEG, b"GIF8": _GIF}
# An image's own policy: opened by itself, a drawing runs and loads nothing, either.
_IMAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}


def file_page(sources: Sources, request: Request) -> Page:
    """A file, as what it is."""
    version, file = _find_file(sources, request)
    body = _read_beginning(sources, version, file)
    values: dict[str, object] = {
        "version": version,
        "file": file,
        "kind": "",
        "is_cut": len(body) < file.size,
        "shown": len(body),
    }
    text = _decode(body)
    if find_image_type(file.path, body) and file.size <= _LARGEST_PICTURE:
        values |= {"kind": "image", "is_cut": False}
    elif text is not None and file.path.lower().endswith((".csv", ".tsv")):
        rows = _read_table(file.path, text)
        values |= {"kind": "table", "rows": rows, "is_cut": values["is_cut"] or len(rows) == _ROWS}
    elif text is not None:
        values |= {"kind": "text", "text": _format(file.path, text)}
    return Page("file.html", file.path, values)


def send_image(sources: Sources, request: Request) -> Response:
    """The bytes of an image, which the browser takes for nothing else."""
    version, file = _find_file(sources, request)
    kind = find_image_type(file.path, _read_beginning(sources, version, file))
    if not kind or file.size > _LARGEST_PICTURE:
        raise UnknownReferenceError(f"{version}: {file.path} is no picture")
    body = sources.datasets.read_file(version, file.path)
    return Response(body, media_type=kind, headers=_IMAGE_HEADERS)


def find_image_type(path: str, body: bytes) -> str | None:
    """The type of an image, by its first bytes; of a drawing, by its name."""
    for beginning, kind in _BEGINNINGS.items():
        if body.startswith(beginning):
            return kind
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return _WEBP
    return _SVG if path.lower().endswith(".svg") and b"<svg" in body[:4096] else None


def _find_file(sources: Sources, request: Request) -> tuple[Version, File]:
    version = sources.datasets.resolve(DatasetRef.parse(request.path_params["ref"]))
    path = request.query_params.get("path", "")
    for file in sources.datasets.files(version):
        if file.path == path:
            return version, file
    raise UnknownReferenceError(f"{version}: no file {path!r}")


def _read_beginning(sources: Sources, version: Version, file: File) -> bytes:
    body = b""
    for chunk in sources.datasets.stream_file(version, file):
        body += chunk
        if len(body) >= _SHOWN:
            break
    return body[:_SHOWN]


def _decode(body: bytes) -> str | None:
    """The text, of which the last character may be torn; None if it is none."""
    if b"\0" in body:
        return None
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        return body[: error.start].decode("utf-8") if error.start >= len(body) - 3 > 0 else None


def _format(path: str, text: str) -> str:
    """The text; JSON with a value a line, unless that makes it too large."""
    if not path.lower().endswith(".json"):
        return text
    parts, size = [], 0
    try:
        for part in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(parse_json(text)):
            size += len(part)
            if size > _LARGEST_INDENTED:
                return text
            parts.append(part)
    except ValueError:
        return text
    return "".join(parts)


def _read_table(path: str, text: str) -> Sequence[Sequence[str]]:
    delimiter = "\t" if path.lower().endswith(".tsv") else ","
    rows: list[list[str]] = []
    try:
        for row in csv.reader(text.splitlines(keepends=True), delimiter=delimiter):
            rows.append(row)
            if len(rows) == _ROWS:
                break
    except csv.Error:  # a field over its limit
        rows.append(["…"])
    return rows or [[]]
