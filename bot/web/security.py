"""Who may use the studio, and from where: token, session cookie, Host, Origin, CSRF, headers, size of a request.

The studio is for one person on one machine. Its printed address carries a token; whoever opens it gets a cookie that is
derived from the token, so that nothing has to be remembered and a restart with the same token logs nobody out.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "likeness_studio"
OPEN = ("/healthz", "/static/")
SAFE = {"GET", "HEAD", "OPTIONS"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
LOCKED = (
    "The studio is locked. Open it with the address that `likeness demo` or `likeness studio` printed: "
    "it ends in ?token=…"
)


TOO_LARGE = "That is too large. Please attach fewer or smaller pictures."


class TooLarge(Exception):
    """The request's body is larger than anything the studio takes."""


class Guard:
    """ASGI middleware that lets through what the studio's own pages send, and nothing else."""

    def __init__(self, app: ASGIApp, *, token: str, hosts: frozenset[str], body_limit: int) -> None:
        self._app = app
        self._token = token
        self._hosts = hosts
        self._limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer at once, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = self._answer(Request(scope))
        if answer is not None:
            await answer(scope, receive, _with_headers(send))
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit:
                raise TooLarge
            return message

        await self._app(scope, counted, _with_headers(send))

    def _answer(self, request: Request) -> Response | None:
        if _host(request.headers.get("host", "")) not in self._hosts:
            return PlainTextResponse("The studio does not serve this host name.", 421)
        if request.url.path == OPEN[0] or request.url.path.startswith(OPEN[1]):
            return None
        given = request.query_params.get("token")
        if given is not None and request.method == "GET":
            return self._let_in(request, given)
        if not hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), session(self._token).encode()):
            return PlainTextResponse(LOCKED, 403)
        if request.method not in SAFE and not _from_our_page(request.headers):
            return PlainTextResponse("This form was sent from another page.", 403)
        length = request.headers.get("content-length", "")
        return PlainTextResponse(TOO_LARGE, 413) if length.isdecimal() and int(length) > self._limit else None

    def _let_in(self, request: Request, given: str) -> Response:
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return PlainTextResponse(LOCKED, 403)
        rest = [(name, value) for name, value in request.query_params.multi_items() if name != "token"]
        answer = RedirectResponse(request.url.path + ("?" + urlencode(rest) if rest else ""), 303)
        answer.set_cookie(COOKIE, session(self._token), httponly=True, samesite="strict", max_age=400 * 86_400)
        return answer


def session(token: str) -> str:
    """The cookie that goes with a token."""
    return hmac.new(token.encode(), b"session", hashlib.sha256).hexdigest()


def form_secret(token: str) -> str:
    """What every form carries, so that another page cannot send one."""
    return hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()


def _from_our_page(headers: Headers) -> bool:
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == headers.get("host")


def _host(given: str) -> str | None:
    """The name in a Host header, without the port; None when it makes no sense."""
    try:
        return urlsplit(f"//{given}").hostname
    except ValueError:
        return None


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = POLICY
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "same-origin"
            headers["Cross-Origin-Opener-Policy"] = "same-origin"
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending
