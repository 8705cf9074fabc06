"""What a request has to pass before anything of it is read: host, token, origin, size; headers of every answer.

    host      one that the service was told about          400    DNS rebinding
    token     a cookie, a bearer, or once in the address   401
    origin    our own, for whatever changes something      403    pages of other sites
    type      JSON, which forms of other sites cannot send 415
    size      counted as it comes                          413
"""

import hmac
import json
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode

from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kanpde.service.bodies import problem_json

SAFE = ("GET", "HEAD", "OPTIONS")
TYPES = ("application/json", "application/octet-stream", "application/x-npy")
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
VIEWER_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob: {origin}; style-src 'unsafe-inline' {origin}; "
    "img-src data: blob:; font-src data:; worker-src blob: data:; connect-src data: blob:; frame-ancestors {origin}; "
    "sandbox allow-scripts allow-downloads"
)
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"}


Page = Callable[[int, str], Response]


class Guard:
    """ASGI middleware; `hosts` are names without ports, `page` shows a refusal to people."""

    def __init__(
        self, app: ASGIApp, token: str, hosts: tuple[str, ...], cookie: str, most: int, page: Page = problem_json
    ):
        self.app, self.token, self.hosts, self.cookie, self.most, self.page = app, token, hosts, cookie, most, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None and refusal.status_code in (400, 401) and "text/html" in headers.get("accept", ""):
            refusal = self.page(refusal.status_code, json.loads(bytes(refusal.body))["detail"])
        if refusal is not None and refusal.status_code == 413:
            await self._drained(receive)
        answer = self.app if refusal is None else refusal
        await answer(scope, self._counted(receive), self._with_headers(scope, send))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if _name(host) not in self.hosts:
            return problem_json(400, f"The host {host!r:.80} is not one of this service. Start it with --allow-host.")
        if scope["path"] == "/health" or (scope["path"].startswith("/static/") and scope["method"] in SAFE):
            return None  # a frame of no origin, the viewer's, has no cookies
        if (given := self._token_in_address(scope)) is not None:
            return given
        if not self._known(scope["path"], headers):
            detail = "The token of this service is needed; none came, or another. Open the address that it printed."
            return problem_json(401, detail, {"WWW-Authenticate": "Bearer"})
        if scope["method"] in SAFE:
            return None
        return self._foreign(headers, host) or self._unreadable(scope["method"], headers)

    def _token_in_address(self, scope: Scope) -> Response | None:
        """Take the token out of the address and into a cookie: addresses are copied, logged and remembered."""
        query = parse_qsl(scope["query_string"].decode("latin1"), keep_blank_values=True)
        tokens = [value for name, value in query if name == "token"]
        if not tokens or scope["method"] != "GET" or not self._same(tokens[0]):
            return None
        rest = urlencode([pair for pair in query if pair[0] != "token"])
        path = "/" + scope["path"].lstrip("/")  # two slashes would lead to another host
        response = RedirectResponse(path + (f"?{rest}" if rest else ""), 303)
        response.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", max_age=30 * 86400)
        return response

    def _known(self, path: str, headers: Headers) -> bool:
        cookies = dict(part.strip().partition("=")[::2] for part in headers.get("cookie", "").split(";"))
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        in_path = path.split("/")[2] if path.startswith("/um/") else ""
        given = (cookies.get(self.cookie, ""), bearer if scheme.lower() == "bearer" else "", in_path)
        return any(map(self._same, given))

    def _same(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())

    def _foreign(self, headers: Headers, host: str) -> Response | None:
        origin = headers.get("origin")
        foreign = origin is not None and origin.partition("://")[2] != host
        if foreign or headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return problem_json(403, "Only the service's own pages and programs may change something. Use its address.")
        return None

    def _unreadable(self, method: str, headers: Headers) -> Response | None:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if method != "DELETE" and kind not in TYPES:
            return problem_json(415, f"JSON is needed; {kind or 'nothing'!r:.60} came. Send application/json.")
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self.most:
            return problem_json(413, f"A request may have {self.most} bytes; {length} came. Send less.")
        return None

    async def _drained(self, receive: Receive) -> None:
        """Read on for a while: most programs look for the answer only once they have sent all."""
        count, more = 0, True
        while more and count < 8 * self.most:
            message = await receive()
            count += len(message.get("body", b""))
            more = message["type"] == "http.request" and message.get("more_body", False)

    def _counted(self, receive: Receive) -> Receive:
        count = 0

        async def counted() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > self.most:
                raise HTTPException(413, f"A request may have {self.most} bytes; more came. Send less.")
            return message

        return counted

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", POLICY)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        return sent


def _name(host: str) -> str:
    """A host without its port.

    >>> _name("localhost:8765"), _name("[::1]:80")
    ('localhost', '[::1]')
    """
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0].lower()
