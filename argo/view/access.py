"""Who may ask the server: a browser of this machine that was given the token, and for nothing but reading."""

import secrets
from urllib.parse import parse_qsl, urlencode

from markupsafe import Markup
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = "127.0.0.1"
_METHODS = ("GET", "HEAD")
# Nothing runs, loads or is sent anywhere but the server's own files, whatever a text has in it.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# The browser follows this as a step within the site, so that it sends the strict cookie.
_WELCOME = Markup(
    '<!doctype html><html lang="en"><title>textgen</title><link rel="icon" href="/static/icon.svg">'
    '<meta http-equiv="refresh" content="0; url={0}"><p><a href="{0}">Continue</a>'
)


class Access:
    """Lets a request through that names this server, comes from no other site, and has the token.

    A request with `?token=` gets it as a cookie, and goes on without it in the URL. `single_use_token` does
    the same for the first request that has it: other users of this machine see the command line of a browser.
    """

    def __init__(self, app: ASGIApp, token: str, single_use_token: str, port: int) -> None:
        self._app, self._token, self._cookie = app, token, f"textgen-{port}"
        self._single_use_token = single_use_token
        self._hosts = {f"{HOST}:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._refuse(Request(scope)) or self._app
        await answer(scope, receive, send_with_headers)

    def _refuse(self, request: Request) -> Response | None:
        """The answer to a request that goes no further."""
        if request.headers.get("host") not in self._hosts:
            return PlainTextResponse("textgen view answers under its own address only\n", 421)
        origin = request.headers.get("origin")
        if origin and origin not in {f"http://{host}" for host in self._hosts}:
            return PlainTextResponse("textgen view answers its own pages only\n", 403)
        if request.method not in _METHODS:
            return PlainTextResponse("textgen view only reads\n", 405, {"Allow": ", ".join(_METHODS)})
        query = parse_qsl(request.url.query, keep_blank_values=True)
        if self._take_token(dict(query).get("token", "")):
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            raw_path = request.scope["raw_path"].decode("ascii", "replace")
            # one slash: two would lead to another host
            path = "/" + raw_path.lstrip("/") + (f"?{rest}" if rest else "")
            response = HTMLResponse(_WELCOME.format(path))
            response.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
            return response
        if self._is_token(request.cookies.get(self._cookie)):
            return None
        return PlainTextResponse("open the URL that textgen view has printed: it has the token\n", 403)

    def _is_token(self, text: str | None) -> bool:
        return text is not None and secrets.compare_digest(text.encode(), self._token.encode())

    def _take_token(self, text: str) -> bool:
        """Whether it is a token. The one for a single use is none from then on."""
        if self._single_use_token and secrets.compare_digest(text.encode(), self._single_use_token.encode()):
            self._single_use_token = ""
            return True
        return self._is_token(text)
