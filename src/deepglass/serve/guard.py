"""What a local page refuses: names that are not its own, other pages' requests, bodies that are too large.

A page on the internet can let its own name point to this machine and then read what answers there (DNS rebinding). It
cannot choose the `Host` that the browser sends, which is its name; so only names of this machine are answered.
"""

from __future__ import annotations

import ipaddress
import json
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST = 64 * 1024  # bytes of a body
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Stands before an app.

    Args:
        host: the name or address that the app listens on.
        most: bytes of a body that are taken.
    """

    def __init__(self, app: ASGIApp, host: str = "127.0.0.1", most: int = MOST) -> None:
        self.app, self.host, self.most = app, host.lower(), most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # no websockets, nothing to begin or end
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        if refused := self._refused(scope["method"], headers):
            await _say(send, *refused)
            return
        body = await _body(receive, self.most)
        if body is None:
            await _say(send, 413, f"the body is larger than {self.most:,} bytes")
            return
        await self.app(scope, _replayed(body, receive), _with_headers(send))

    def _refused(self, method: str, headers: dict[str, str]) -> tuple[int, str] | None:
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
        if not length.isdecimal() or int(length) > self.most:
            return 413, f"the body is larger than {self.most:,} bytes"
        return None

    def _is_own(self, host: str) -> bool:
        """An address cannot be bound to another machine's name; of names only this machine's are own."""
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


async def _body(receive: Receive, most: int) -> bytes | None:
    """The whole body; None where it is too large."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return body
        body += message.get("body", b"")
        if len(body) > most:
            return None
        if not message.get("more_body"):
            return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    waiting = [body]

    async def again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again


def _with_headers(send: Send) -> Send:
    async def more(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [(k.encode(), v.encode()) for k, v in HEADERS.items()]
            message = {**message, "headers": [*message.get("headers", []), *own]}
        await send(message)

    return more


async def _say(send: Send, status: int, text: str) -> None:
    body = json.dumps({"error": text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    send = _with_headers(send)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
