"""No script in data runs in a report or on the labelling page, in a real browser."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import uvicorn
from chromium import Chromium, Page

import deepglass
from deepglass.serve.guard import AccessKey
from deepglass.serve.label import label_app

PAYLOADS = (
    "<script>pwned=1</script>",
    "</script><script>pwned=1</script>",
    "<img src=x onerror=pwned=1>",
    '"><svg onload=pwned=1>',
    "' onmouseover='pwned=1",
    '" autofocus onfocus="pwned=1',
    "javascript:pwned=1",
    "</style><style>*{background:url(x)}</style><img src=x onerror=pwned=1>",
    "{{ 7*7 }}{% raw %}${pwned=1}",
    "<!--<script>pwned=1//-->",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
)
TOUCH = """[...document.querySelectorAll('*')].map((node) => {
  for (const kind of ['mouseover', 'focus', 'pointermove']) node.dispatchEvent(new Event(kind, {bubbles: true}));
  if (node.tagName === 'DETAILS' || node.tagName === 'SUMMARY') node.open = true;
  const script = (a) => /^(href|src)$/.test(a.name) && /^\\s*javascript:/i.test(a.value);
  return [...node.attributes].some((a) => /^on/i.test(a.name) || script(a));
}).filter(Boolean).length"""


def harmless(page: Page) -> None:
    count = page.run("document.querySelectorAll('*').length")
    assert count > 50
    assert page.run(TOUCH) == 0  # elements with handlers or links of the data
    assert page.run("document.querySelectorAll('iframe, object, embed').length") == 0
    assert page.run("typeof pwned") == "undefined"


@pytest.mark.slow
def test_no_script_of_data_runs(tmp_path: Path) -> None:
    rows = 66
    texts = [f"{PAYLOADS[i % 11]} {PAYLOADS[(3 * i) % 11]} word{i}" for i in range(rows)]
    frame = pl.DataFrame({
        PAYLOADS[0]: [i**2 % 17 / 3 for i in range(rows)],
        PAYLOADS[5]: [PAYLOADS[(i**2) % 11] for i in range(rows)],
        PAYLOADS[7]: texts,
        PAYLOADS[1]: [PAYLOADS[2 + i % 3] if i > 9 else None for i in range(rows)],
    })  # fmt: skip
    kinds = {PAYLOADS[5]: "category", PAYLOADS[7]: "text", PAYLOADS[1]: "category"}
    settings: dict[str, Any] = {"training": {"threads": 1}, "kinds": kinds, "steps": 2}
    run = deepglass.train(frame, PAYLOADS[1], out=tmp_path / "run", **settings)
    queue = deepglass.label(run, frame, out=tmp_path / "labels.csv", limit=12)
    assert queue.items
    listening = socket.create_server(("127.0.0.1", 0))
    key = AccessKey(listening.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(label_app(queue, key), log_level="warning", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        with Chromium() as browser:
            report = browser.open(run.path / "report.html")
            assert "pwned=1" in report.run("document.body.textContent")
            harmless(report)
            assert all(url.startswith(("file:", "data:", "blob:")) for url in report.requested)
            page = browser.open(f"http://127.0.0.1:{key.port}/?token={key.token}")
            page.page.wait_for_selector("#main:not([hidden])")
            assert "pwned=1" in page.run("document.body.textContent")
            for _ in range(6):
                harmless(page)
                page.press("ArrowRight")
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
