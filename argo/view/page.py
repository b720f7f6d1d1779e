"""A page: the template that shows it, and its values, which are its JSON as well."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from argo.view.rendering import encode_json, render
from argo.view.safe_text import show_controls
from argo.view.sources import Sources
from job.errors import InputError, TextgenError, UnknownReferenceError


@dataclass(frozen=True, slots=True)
class Page:
    """`refresh` is after how many seconds its live parts are to be asked for again."""

    template: str
    title: str
    values: Mapping[str, Any]
    refresh: float | None = None
    status: int = 200


MakePage = Callable[[Sources, Request], Page]


def page_route(path: str, sources: Sources, make: MakePage) -> Route:
    """The route of a page. An error is a page as well, with one line."""

    def answer(request: Request) -> Response:
        try:
            page = make(sources, request)
        except TextgenError as error:
            page = _error_page(error)
        if request.query_params.get("format") == "json":
            return Response(encode_json(page.values), page.status, media_type="application/json")
        values = {
            "title": page.title,
            "refresh": page.refresh,
            "store": sources.datasets.url,
            "section": request.url.path.split("/")[1],
            **page.values,
        }
        return HTMLResponse(render(page.template, values).encode("utf-8", "replace"), page.status)

    return Route(path, answer, methods=["GET"])


def plain_route(path: str, sources: Sources, answer: Callable[[Sources, Request], Response]) -> Route:
    """A route whose answer is no page. An error is a line of text."""

    def answer_or_refuse(request: Request) -> Response:
        try:
            return answer(sources, request)
        except TextgenError as error:
            return PlainTextResponse(f"{show_controls(str(error))}\n", _find_status(error))

    return Route(path, answer_or_refuse, methods=["GET"])


def read_integer(text: str | None) -> int | None:
    """The number that a user wrote; None if it is none."""
    try:
        number = int(text or "")
    except ValueError:
        return None
    return number if abs(number) < 1 << 40 else None


def _error_page(error: TextgenError) -> Page:
    title = "Not found" if isinstance(error, UnknownReferenceError) else "Error"
    return Page("error.html", title, {"error": str(error)}, status=_find_status(error))


def _find_status(error: TextgenError) -> int:
    if isinstance(error, UnknownReferenceError):
        return 404
    return 400 if isinstance(error, InputError) else 502
