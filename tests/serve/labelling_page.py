"""The labelling page of a queue, for tests: a client that has opened it, and a server for a browser."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import uvicorn
from fastapi.testclient import TestClient

from deepglass.serve.guard import AccessKey
from deepglass.serve.label import label_app
from deepglass.serve.queue import Queue


def page(queue: Queue, host: str = "127.0.0.1:8000") -> TestClient:
    """A client of the page that has opened its URL."""
    key = AccessKey(8000)
    client = TestClient(label_app(queue, key), base_url=f"http://{host}", raise_server_exceptions=False)
    assert "url=/" in client.get("/", params={"token": key.token}).text
    return client


@contextlib.contextmanager
def served(queue: Queue) -> Iterator[tuple[str, str]]:
    """The address of the page, without and with the token."""
    listening = socket.create_server(("127.0.0.1", 0))
    key = AccessKey(listening.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(label_app(queue, key), log_level="warning", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    address = f"http://127.0.0.1:{key.port}/"
    try:
        yield address, f"{address}?token={key.token}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
