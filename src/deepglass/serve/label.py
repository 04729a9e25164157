"""The labelling page: `deepglass label RUN SOURCE`.

GET  /              the page
GET  /queue         {"run", "output", "classes", "file", "note", "blind", "undoable", "answers": {ITEM: LABEL},
                    "items": [...]}
GET  /media/R/NAME  the image or audio of row R of the queue or of its neighbours
POST /answer        {"item": 3, "label": "cat"}; "" removes the label, null withdraws the answer
POST /undo          {}; takes back the last answer, whoever gave it and whenever
POST /blind         {"blind": true}; hides labels and predictions of rows without an answer

All of them need the cookie that GET /?token=TOKEN sets, with the token of the URL that is printed.
"""

import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, StrictInt

from deepglass.errors import DeepglassError, SourceError, SpecError
from deepglass.serve.cells import cells, medium
from deepglass.serve.guard import AccessKey, SecurityMiddleware, login_page
from deepglass.serve.queue import Queue, next_commands
from deepglass.serve.reviews import Drawings
from deepglass.temporary import temporary_folder
from deepglass.training.interrupt import Interrupted
from deepglass.web import FOLDER, path

MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript"}


class LabelRequest(BaseModel):
    """A label for one item of the queue; None withdraws it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    item: StrictInt
    label: str | None


class UndoRequest(BaseModel):
    """Takes back the last answer."""

    model_config = ConfigDict(extra="forbid", strict=True)


class BlindRequest(BaseModel):
    """Hides or shows labels and predictions of rows without an answer."""

    model_config = ConfigDict(extra="forbid", strict=True)

    blind: bool


def label_app(queue: Queue, key: AccessKey, host: str = "127.0.0.1") -> FastAPI:
    """The web app of a queue.

    Args:
        key: whose token or cookie each request needs.
        host: name or address that it listens on.
    """
    app = FastAPI(title="deepglass label", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(SecurityMiddleware, key=key, host=host)
    lock = threading.Lock()  # requests come on several threads
    features = {f.name: f for f in queue.inputs}
    names = set(Drawings._fields) if queue.drawings is not None else set(features)

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]  # without its input, which may not be encodable
        return JSONResponse({"error": f"label: {'.'.join(map(str, first['loc']))}: {first['msg']}"}, 422)

    @app.get("/")
    def page() -> Response:
        return Response(path("label.html").read_bytes(), media_type="text/html")

    @app.get("/page/{name}")
    def file(name: str) -> Response:
        kind = MEDIA_TYPES.get(Path(name).suffix)
        if kind is None or name not in {file.name for file in FOLDER.iterdir()}:
            return JSONResponse({"error": "no such file"}, 404)
        return Response(path(name).read_bytes(), media_type=kind)

    @app.get("/queue")
    def state() -> dict[str, Any]:
        with lock:
            return _whole(queue)

    @app.get("/media/{row}/{name:path}")
    def media(row: int, name: str) -> Response:
        shown = any(row == q.row or any(row == n.row for n in q.neighbours) for q in queue.items)
        if not shown or name not in names:
            return JSONResponse({"error": "not in the queue"}, 404)
        try:
            if queue.drawings is not None and name in Drawings._fields:
                return Response(getattr(queue.drawings[row], name), media_type="image/png")
            content, kind = medium(features[name], queue.table, row)
        except (SourceError, OSError) as error:
            return JSONResponse({"error": str(error)}, 404)
        return Response(content, media_type=kind)

    @app.post("/answer")
    def answer(request: LabelRequest) -> Response:
        with lock:
            try:
                if request.label is None:
                    queue.undo(request.item)
                else:
                    queue.answer(request.item, request.label)
            except DeepglassError as error:
                return _failed(error)
            return JSONResponse({**_state(queue), "changed": {request.item: _item(queue, request.item)}})

    @app.post("/undo")
    def undo(_: UndoRequest) -> Response:
        with lock:
            try:
                item = queue.undo_last()
            except DeepglassError as error:
                return _failed(error)
            changed = {} if item is None else {item: _item(queue, item)}
            return JSONResponse({**_state(queue), "changed": changed})

    @app.post("/blind")
    def set_blind(request: BlindRequest) -> dict[str, Any]:
        with lock:
            queue.blind = request.blind
            return _whole(queue)

    return app


def serve_label(queue: Queue, host: str = "127.0.0.1", port: int = 8000, opens: bool = True) -> None:
    """Serve the page until Ctrl-C; each answer is saved at once.

    Args:
        port: 0 takes a free port.
        opens: open the page in a browser.

    Raises:
        SpecError: `bad-value` where host and port cannot be listened on.
    """
    listening = _listen(host, port)
    key = AccessKey(listening.getsockname()[1])
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{key.port}/?token={key.token}"
    print(
        f"{len(queue.items)} rows to label: {address}  (Ctrl-C ends; labels are saved in {queue.path})", file=sys.stderr
    )
    if host not in ("127.0.0.1", "::1", "localhost"):
        print(
            f"note: --host {host}: others in the network who have this URL can see the rows and label them; it is "
            "sent without encryption",
            file=sys.stderr,
        )
    app = label_app(queue, key, host)
    config = uvicorn.Config(app, log_level="warning", lifespan="off", ws="none", server_header=False)
    try:
        with temporary_folder() as folder:
            if opens:
                file = _login_file(address, folder)
                threading.Timer(0.5, webbrowser.open, [file.absolute().as_uri()]).start()
            uvicorn.Server(config).run(sockets=[listening])
    except (KeyboardInterrupt, Interrupted) as error:  # uvicorn passes the signal on once it has ended
        if getattr(error, "signum", signal.SIGINT) != signal.SIGINT:
            raise
    finally:
        listening.close()


def _login_file(address: str, folder: Path) -> Path:
    """A page that only this user can read and that opens an address.

    The words of a command are visible to all users of a machine, so a browser is started with this file.
    """
    file = folder / "label.html"
    file.touch(0o600)
    file.write_text(login_page(address))
    return file


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        text = getattr(error, "strerror", None) or str(error)
        raise SpecError("bad-value", f"--host {host} --port {port}: {text}; choose another, or --port 0") from error
    return listening


def _failed(error: DeepglassError) -> JSONResponse:
    return JSONResponse({"error": error.message}, 422 if isinstance(error, SpecError) else 507)


def _whole(queue: Queue) -> dict[str, Any]:
    return {**_state(queue), "items": [_item(queue, i) for i in range(len(queue.items))]}


def _state(queue: Queue) -> dict[str, Any]:
    return {
        "run": queue.run,
        "output": queue.output.name,
        "classes": list(queue.classes),
        "file": str(queue.path),
        "next": next_commands(queue),
        "note": queue.note,
        "blind": queue.blind,
        "review": queue.drawings is not None,
        "undoable": queue.num_undoable,
        "answers": dict(queue.answers),
    }


def _item(queue: Queue, i: int) -> Mapping[str, Any]:
    question = queue.items[i]
    shown = _cells(queue, question.row)
    hidden = queue.blind and i not in queue.answers
    if queue.drawings is not None and hidden:
        shown = shown[:1]
    if hidden:  # what is hidden does not leave the server
        return {"row": question.row, "kind": "hidden", "cells": shown, "neighbours": []}
    neighbours = [{"row": n.row, "label": n.label, "cells": _cells(queue, n.row)} for n in question.neighbours]
    return {**asdict(question), "neighbours": neighbours, "cells": shown}


def _cells(queue: Queue, row: int) -> list[dict[str, Any]]:
    if queue.drawings is not None:
        return [{"name": name, "kind": "image"} for name in Drawings._fields]
    return cells(queue.inputs, queue.table, row)
