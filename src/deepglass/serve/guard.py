"""Security middleware of local pages: host and origin checks, a limit on the body, security headers.

DNS rebinding lets a web page point its own name to this machine and read the answers. It cannot choose the `Host`
header that the browser sends, so only names of this machine are allowed. Starlette's TrustedHostMiddleware takes a list
of names; it cannot allow every IP address, which `--host 0.0.0.0` needs, and checks neither origin nor body size.
"""

import asyncio
import ipaddress
import json
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 64 * 1024
MAX_BODY_SECONDS = 10.0  # in which a body has to arrive; half-open requests would hold their connections
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class SecurityMiddleware:
    """Refuses requests with a foreign host or origin, and adds security headers.

    Args:
        host: name or address that the app listens on.
        max_body_bytes: larger bodies are refused with status 413.
    """

    def __init__(self, app: ASGIApp, host: str = "127.0.0.1", max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self.app, self.host, self.max_body_bytes = app, host.lower(), max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # no websockets, no lifespan
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        if error := self._error(scope["method"], headers):
            await _respond(send, *error)
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


async def _respond(send: Send, status: int, text: str) -> None:
    body = json.dumps({"error": text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    send = _with_headers(send)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
