"""The server of the pages: on this machine's own address, for one browser, until Ctrl-C."""

import secrets
import socket
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from argo.view import logs
from argo.view.access import HOST, Access
from argo.view.page import Page, page_route, plain_route
from argo.view.pages import compare, datasets, file, runs, version
from argo.view.rendering import STATIC
from argo.view.sources import Sources
from job.errors import InputError, UnknownReferenceError

_STATIC_FILES = {"style.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}


def build_app(sources: Sources, token: str, single_use_token: str, port: int) -> ASGIApp:
    """The pages, for whoever has a token."""

    def not_found(_: Sources, request: Request) -> Page:
        raise UnknownReferenceError(f"there is no page {request.url.path}")

    pages: list[BaseRoute] = [
        page_route("/", sources, runs.list_page),
        page_route("/runs/{name}", sources, runs.run_page),
        plain_route("/logs/{name}/{job}", sources, logs.send_log),
        plain_route("/logs/{name}/{job}/follow", sources, logs.send_followed_log),
        page_route("/datasets", sources, datasets.list_page),
        page_route("/datasets/{ref:path}", sources, version.dataset_or_version_page),
        page_route("/rows/{ref:path}", sources, version.row_page),
        page_route("/files/{ref:path}", sources, file.file_page),
        plain_route("/raw/{ref:path}", sources, file.send_image),
        page_route("/compare", sources, compare.compare_page),
        Route("/static/{name}", _send_static),
        Route("/favicon.ico", _send_icon),
        page_route("/{path:path}", sources, not_found),
    ]
    return Access(Starlette(routes=pages), token, single_use_token, port)


def serve(sources: Sources, port: int, path: str, announce: Callable[[str, str], None]) -> None:
    """Serve until a signal ends it; `announce` gets the URL of `path` when it answers,
    and one that works once.

    Raises InputError if the port is in use.
    """
    listener = _bind(port)
    port = listener.getsockname()[1]
    token, single_use_token = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    app = build_app(sources, token, single_use_token, port)
    # the pages end at once with the command, also while a log is followed
    config = uvicorn.Config(
        app, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    with listener:
        listener.listen(128)  # from now on it answers, if only when uvicorn has started
        url = f"http://{HOST}:{port}{path}?token="
        announce(url + token, url + single_use_token)
        uvicorn.Server(config).run([listener])


def _bind(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise InputError(f"port {port}: {error.strerror}; name another with --port") from None
    return listener


def _send_static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC_FILES:
        return Response("not found\n", 404)
    return FileResponse(STATIC / name, media_type=_STATIC_FILES[name])


def _send_icon(_: Request) -> Response:
    """What a browser asks for beside an answer that is no page."""
    return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")
