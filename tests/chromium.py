"""A headless Chromium for tests of pages: playwright with the browser of the system.

with Chromium() as browser:
    page = browser.open(Path("report.html"), width=400, dark=True)
    assert page.run("document.title") == "..."
    assert page.errors == []
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

PROGRAM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
AXE = files("axe_core_python").joinpath("axe.min.js")
OPTIONS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TIMEOUT = 60_000  # milliseconds for one action, on a busy machine


class Chromium:
    """One browser process; each `open` creates a page in a new context."""

    def __init__(self) -> None:
        if PROGRAM is None:
            pytest.skip("no Chromium on this machine")
        sync_api = pytest.importorskip("playwright.sync_api")
        self._playwright = sync_api.sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=PROGRAM, args=list(OPTIONS), chromium_sandbox=False, timeout=TIMEOUT
        )

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._browser.close()
        self._playwright.stop()

    def open(self, where: Path | str, *, width: int = 1280, height: int = 900, dark: bool = False) -> Page:
        """A page on a file or an address, loaded."""
        page = Page(
            self._browser.new_page(
                viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
            )
        )
        page.go(where)
        return page


class Page:
    """One page, its errors and its requests."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requested: list[str] = []
        page.set_default_timeout(TIMEOUT)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        page.on("request", lambda request: self.requested.append(request.url))

    def go(self, where: Path | str) -> None:
        """Load a file or an address."""
        self.errors.clear()
        self.requested.clear()
        self.page.goto(where.resolve().as_uri() if isinstance(where, Path) else where, wait_until="load")

    def resize(self, width: int, height: int = 900) -> None:
        self.page.set_viewport_size({"width": width, "height": height})

    def shade(self, dark: bool) -> None:
        """Set the preferred colour scheme."""
        self.page.emulate_media(color_scheme="dark" if dark else "light")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression as plain data; promises are awaited."""
        return self.page.evaluate(script)

    def press(self, key: str) -> None:
        """Press a key, such as "Tab", "Enter", "ArrowRight"."""
        self.page.keyboard.press(key)

    def barriers(self, rules: Sequence[str] = ()) -> list[str]:
        """Serious and critical accessibility violations, by axe-core."""
        self.page.evaluate(AXE.read_text("utf-8") + "; 0")
        options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
        violations = self.page.evaluate("options => axe.run(document, options).then(r => r.violations)", options)
        return [
            f"{v['id']}: {node['html'][:200]} {node['failureSummary']}"
            for v in violations
            if v["impact"] in ("serious", "critical")
            for node in v["nodes"]
        ]

    def num_printed_pages(self) -> int:
        """Pages of A4 that the page fills when it is printed."""
        pdf = self.page.pdf(format="A4", print_background=True, prefer_css_page_size=True)
        return len(re.findall(rb"/Type\s*/Page[^s]", pdf))

    def picture(self, clip: dict[str, float] | None = None) -> bytes:
        """A screenshot as PNG; `clip` has x, y, width and height on the page."""
        return self.page.screenshot(full_page=clip is not None, **({"clip": clip} if clip else {}))
