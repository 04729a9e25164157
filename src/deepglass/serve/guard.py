"""Security middleware of local pages: access key, host and origin checks, a limit on the body, security headers.

DNS rebinding lets a web page point its own name to this machine and read the answers. It cannot choose the `Host`
header that the browser sends, so only names of this machine are allowed. Starlette's TrustedHostMiddleware takes a list
of names; it cannot allow every IP address, which `--host 0.0.0.0` needs, and checks neither origin nor body size.

A port of this machine is open to all its users. The URL that is printed therefore has a random token; opening it sets a
cookie, without which every request is refused.
"""

import asyncio
import hmac
import ipaddress
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepglass.report.templates import environment
from deepglass.web import path

MAX_BODY_BYTES = 64 * 1024
MAX_BODY_SECONDS = 10.0  # in which a body has to arrive; half-open requests would hold their connections
HTML = "text/html; charset=utf-8"
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def _secret() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class AccessKey:
    """The secrets of one server process.

    Args:
        port: of the server; part of the cookie's name, since browsers share cookies between the ports of a host.
        token: in the URL that is printed.
        session: value of the cookie that this URL sets.
    """

    port: int
    token: str = field(default_factory=_secret)
    session: str = field(default_factory=_secret)

    @property
    def cookie(self) -> str:
        return f"deepglass-{self.port}"

    def has_token(self, query: str) -> bool:
        return _equal(parse_qs(query).get("token", [""])[0], self.token)

    def has_cookie(self, header: str) -> bool:
        return _equal(cookie_parser(header).get(self.cookie, ""), self.session)

    @property
    def new_cookie(self) -> str:
        return f"{self.cookie}={self.session}; HttpOnly; SameSite=Strict; Path=/"


def login_page(url: str) -> str:
    """A page that goes on to another.

    It stands in place of a redirect: after one, the next request counts as sent by the page that had the link, and
    browsers withhold a strict cookie from it.
    """
    return environment().get_template("login.html").render(url=url)


class SecurityMiddleware:
    """Refuses requests without the access key or with a foreign host or origin, and adds security headers.

    Args:
        key: its token or its cookie is in each request that is answered.
        host: name or address that the app listens on.
        max_body_bytes: larger bodies are refused with status 413.
    """

    def __init__(
        self, app: ASGIApp, key: AccessKey, host: str = "127.0.0.1", max_body_bytes: int = MAX_BODY_BYTES
    ) -> None:
        self.app, self.key, self.host, self.max_body_bytes = app, key, host.lower(), max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # no websockets, no lifespan
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        if error := self._error(scope["method"], headers):
            await _respond(send, *error)
            return
        if scope["path"] == "/" and self.key.has_token(scope["query_string"].decode("latin-1")):
            await _send(send, 200, login_page("/").encode(), {"content-type": HTML, "set-cookie": self.key.new_cookie})
            return
        if not self.key.has_cookie(headers.get("cookie", "")):
            await _refuse_access(send, headers)
            return
        try:
            body = await asyncio.wait_for(_body(receive, self.max_body_bytes), MAX_BODY_SECONDS)
        except TimeoutError:
            await _respond(send, 408, f"the body did not arrive within {MAX_BODY_SECONDS:g} seconds")
            return
        if body is None:
            await _respond(send, 413, f"the body is larger than {self.max_body_bytes:,} bytes")
            return
        await self.app(scope, _replay(body, receive), _with_headers(send))

    def _error(self, method: str, headers: dict[str, str]) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if not self._is_own(host):
            return 421, f"this page is not {host[:100]!r}"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return 403, "a request from another page"
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and method != "GET":
            return 403, "a request from another page"
        if method in ("GET", "HEAD"):
            return None
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return 415, "expected application/json"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.max_body_bytes:
            return 413, f"the body is larger than {self.max_body_bytes:,} bytes"
        return None

    def _is_own(self, host: str) -> bool:
        """IP addresses, which DNS cannot rebind, and the names of this machine."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        if name in ("localhost", self.host):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


async def _body(receive: Receive, limit: int) -> bytes | None:
    """The whole body; None if it is too large."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return body
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if not message.get("more_body"):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    pending = [body]

    async def again() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return again


def _with_headers(send: Send) -> Send:
    async def more(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [(k.encode(), v.encode()) for k, v in HEADERS.items()]
            message = {**message, "headers": [*message.get("headers", []), *own]}
        await send(message)

    return more


def _equal(a: str, b: str) -> bool:
    """Whether two texts are equal, in a time that does not depend on how far they agree."""
    return hmac.compare_digest(a.encode(), b.encode())


async def _refuse_access(send: Send, headers: Mapping[str, str]) -> None:
    """Status 403: a page for a browser's window, JSON for scripts."""
    if "text/html" in headers.get("accept", ""):
        await _send(send, 403, path("no_access.html").read_bytes(), {"content-type": HTML})
    else:
        await _respond(send, 403, "no access: open the URL that deepglass printed in the terminal")


async def _respond(send: Send, status: int, text: str) -> None:
    await _send(send, status, json.dumps({"error": text}).encode(), {"content-type": "application/json"})


async def _send(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    every = {**headers, "content-length": str(len(body))}
    send = _with_headers(send)
    start = {"type": "http.response.start", "status": status}
    await send({**start, "headers": [(k.encode(), v.encode()) for k, v in every.items()]})
    await send({"type": "http.response.body", "body": body})
