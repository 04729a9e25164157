"""A headless Chromium that tests drive by its debugging pipe: no driver program, nothing beyond the standard library.

    with Chromium() as browser:
        page = browser.open(Path("report.html"), width=400, dark=True)
        assert page.run("document.title") == "..."
        assert page.errors == []

The protocol: https://chromedevtools.github.io/devtools-protocol/; messages end in a zero byte.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

PROGRAM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
AXE = files("axe_core_python").joinpath("axe.min.js")
TURNED = "import os, sys; i, o, *call = sys.argv[1:]; os.dup2(int(i), 3); os.dup2(int(o), 4); os.execv(call[0], call)"
"""The browser reads commands from file 3 and writes answers to file 4, whatever their numbers are here."""
PATIENCE = 60.0  # seconds for one answer, on a busy machine


class Chromium:
    """One browser process; each `open` is a new page of it."""

    def __init__(self) -> None:
        if PROGRAM is None:
            pytest.skip("no Chromium on this machine")
        self._home = tempfile.TemporaryDirectory(prefix="chromium-")
        (theirs_in, self._out), (self._in, theirs_out) = os.pipe(), os.pipe()
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            f"--user-data-dir={self._home.name}",
        ]
        call = [sys.executable, "-ISc", TURNED, str(theirs_in), str(theirs_out), PROGRAM, *options]
        self._process = subprocess.Popen(
            [*call, "--remote-debugging-pipe"], pass_fds=(theirs_in, theirs_out), stderr=subprocess.DEVNULL
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._rest, self._count = b"", 0
        self._pages: dict[str, Page] = {}

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.call("Browser.close")
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._in)
            os.close(self._out)
            self._home.cleanup()

    def open(self, where: Path | str, *, width: int = 1280, height: int = 900, dark: bool = False) -> Page:
        """A page on a file or an address, loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for part in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{part}.enable")
        page.resize(width, height)
        page.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )
        page.go(where)
        return page

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """The answer to a command; what happens on pages until then is told to them."""
        self._count += 1
        said = {
            "id": self._count,
            "method": method,
            "params": parameters,
            **({"sessionId": session} if session else {}),
        }
        content = json.dumps(said).encode() + b"\0"
        while content:
            content = content[os.write(self._out, content) :]
        while (told := self.hear()).get("id") != self._count:
            pass
        if "error" in told:
            raise RuntimeError(f"{method}: {told['error']['message']}")
        return told["result"]

    def hear(self) -> dict[str, Any]:
        """The next message."""
        parts, ends = [self._rest], time.monotonic() + PATIENCE
        while b"\0" not in parts[-1]:
            if not select.select([self._in], [], [], max(ends - time.monotonic(), 0))[0]:
                raise TimeoutError(f"Chromium said nothing for {PATIENCE:.0f} s")
            parts.append(os.read(self._in, 1 << 20))
            if not parts[-1]:
                raise RuntimeError("Chromium has ended")
        message, _, self._rest = b"".join(parts).partition(b"\0")
        told = json.loads(message)
        if (page := self._pages.get(told.get("sessionId", ""))) is not None:
            page.told(told.get("method", ""), told.get("params", {}))
        return told


class Page:
    """One page: what went wrong on it, and what it asked for."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self.browser, self.session = browser, session
        self.errors: list[str] = []
        self.requested: list[str] = []
        self.loaded = False

    def told(self, event: str, what: dict[str, Any]) -> None:
        """An event of this page."""
        if event == "Runtime.exceptionThrown":
            details = what["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif event == "Log.entryAdded" and what["entry"]["level"] == "error":
            self.errors.append(what["entry"]["text"])
        elif event == "Network.requestWillBeSent":
            self.requested.append(what["request"]["url"])
        elif event == "Page.loadEventFired":
            self.loaded = True

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **parameters)

    def go(self, where: Path | str) -> None:
        """Load a file or an address."""
        address = where.resolve().as_uri() if isinstance(where, Path) else where
        self.loaded, self.errors, self.requested = False, [], []
        self.call("Page.navigate", url=address)
        while not self.loaded:
            self.browser.hear()

    def resize(self, width: int, height: int = 900) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def shade(self, dark: bool) -> None:
        """What the system asks for."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def run(self, script: str) -> Any:
        """The value of an expression, a promise's once it is kept; it must be plain data."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            raise RuntimeError(done["exceptionDetails"].get("exception", {}).get("description", script[:80]))
        return done["result"].get("value")

    def press(self, key: str, text: str = "") -> None:
        """A key goes down and up, such as "Tab", "Enter", "ArrowRight"."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        key_code = codes.get(key, ord(key[0].upper()))
        text = text or ("\r" if key == "Enter" else key if len(key) == 1 else "")
        down = {"key": key, "code": key, "windowsVirtualKeyCode": key_code}
        self.call("Input.dispatchKeyEvent", type="keyDown", **down, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **down)

    def barriers(self, rules: Sequence[str] = ()) -> list[str]:
        """What keeps people from using the page, as axe-core finds it: the serious and the critical."""
        self.run(AXE.read_text("utf-8") + "; 0")
        asked = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
        found = self.run(f"axe.run(document, {json.dumps(asked)}).then(({{ violations }}) => violations)")
        return [
            f"{v['id']}: {node['html'][:200]} {node['failureSummary']}"
            for v in found
            if v["impact"] in ("serious", "critical")
            for node in v["nodes"]
        ]

    def picture(self, clip: dict[str, float] | None = None) -> bytes:
        """What is seen, as PNG; `clip` has x, y, width and height on the page."""
        wanted = {"clip": {**clip, "scale": 1}, "captureBeyondViewport": True} if clip else {}
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", **wanted)["data"])
