"""Notebooks: results as HTML, one line of progress, and the example notebooks from their first cell to their last."""

from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import IPython.display
import nbformat
import numpy as np
import polars as pl
import pytest
from nbclient import NotebookClient

import deepglass
from deepglass import notebook
from deepglass.training.callbacks import Callback

FOLDER = Path(__file__).parent.parent / "docs" / "notebooks"
SMALL: dict[str, Any] = {"steps": 10, "network": {"width": 8, "depth": 1, "ensemble_size": 1}, "baselines": False}
MARK = "<script>alert(1)</script>"
COLUMN = f"size {MARK}"


def frame() -> pl.DataFrame:
    """Columns with HTML in their names and values, and repeated rows."""
    size, age, rooms = np.random.default_rng(0).normal(size=(3, 60))
    table = pl.DataFrame({COLUMN: size, "age": age, "rooms": rooms, "sold": np.where(size > 0, "yes & no", MARK)})
    return pl.concat([table, table[:6]])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    return deepglass.train(frame(), "sold", out=tmp_path_factory.mktemp("shown") / "run", **SMALL)


class Tags(HTMLParser):
    """The tags and the texts of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        assert all(name == "style" for name, _ in attrs)  # neither addresses nor scripts

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def test_results_show_themselves_and_escape_what_is_the_users(run: deepglass.Run) -> None:
    shown = {
        "run": run,
        "inspection": deepglass.inspect(frame(), target="sold"),
        "evaluation": deepglass.evaluate(run),
        "explanations": deepglass.explain(run, frame()[:2].drop("sold"), source=frame()),
        "comparison": deepglass.compare(run, run),
    }
    pages = {name: Tags(result._repr_html_()) for name, result in shown.items()}  # type: ignore[attr-defined]
    for page in pages.values():
        assert page.tags <= {"div", "p", "b", "table", "tr", "th", "td"}
    assert "accuracy" in pages["run"].texts
    assert COLUMN in pages["inspection"].texts
    assert "duplicate" in pages["inspection"].texts
    assert "log_loss" in pages["evaluation"].texts
    assert any(text.startswith(COLUMN) for text in pages["explanations"].texts)
    assert "test rows" in pages["comparison"].texts


def test_the_report_of_a_run_on_a_frame_needs_no_source(tmp_path: Path) -> None:
    run = deepglass.train(frame(), "sold", out=tmp_path / "run", **SMALL)
    assert "<h2" in deepglass.report(run).read_text()


class Screen:
    """The outputs of a cell, as IPython's `display` makes them."""

    def __init__(self) -> None:
        self.outputs: list[Mapping[str, str]] = []

    def display(self, content: Mapping[str, str], raw: bool, display_id: bool = False) -> "Screen":
        self.outputs.append(content)
        return self

    def update(self, content: Mapping[str, str], raw: bool) -> None:
        self.outputs[0] = content


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    screen = Screen()
    monkeypatch.setattr(notebook, "_in_notebook", lambda: True)
    monkeypatch.setattr(IPython.display, "display", screen.display)
    return screen


def test_progress_is_one_line_with_the_findings_below(screen: Screen, tmp_path: Path) -> None:
    run = deepglass.train(frame(), "sold", out=tmp_path / "run", **SMALL)
    line, findings = screen.outputs
    assert line["text/plain"].startswith("trained in")
    assert "accuracy" in line["text/plain"]
    assert "duplicate" in findings["text/plain"]
    assert "<script>" not in findings["text/html"]
    screen.outputs.clear()
    deepglass.resume(run.path, frame(), steps=2)
    assert screen.outputs[0]["text/plain"].startswith("trained in")


def test_progress_can_be_switched_off_or_replaced(screen: Screen, tmp_path: Path) -> None:
    class Own(Callback):
        displays = True

    deepglass.train(frame(), "sold", out=tmp_path / "quiet", progress=False, **SMALL)
    deepglass.train(frame(), "sold", out=tmp_path / "own", callbacks=[Own()], **SMALL)
    assert not screen.outputs


def test_after_an_error_the_line_names_the_phase(screen: Screen, tmp_path: Path) -> None:
    with pytest.raises(deepglass.UserError, match="one-class"):
        deepglass.train(frame().with_columns(sold=pl.lit("yes")), "sold", out=tmp_path / "run", **SMALL)
    assert [output["text/plain"] for output in screen.outputs] == ["reading ..."]


def test_there_is_no_display_outside_of_a_notebook() -> None:
    with notebook.shown_in_notebook([]) as callbacks:
        assert callbacks == []


@pytest.mark.parametrize(
    "name",
    ["pytorch", pytest.param("table", marks=pytest.mark.slow), pytest.param("images", marks=pytest.mark.slow)],
)
def test_example_notebooks_run(name: str, tmp_path: Path) -> None:
    book = nbformat.read(FOLDER / f"{name}.ipynb", 4)
    assert not any(cell.get("outputs") for cell in book.cells)  # they are stored without outputs
    NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [o for cell in book.cells for o in cell.get("outputs", [])]
    assert not [o for o in outputs if o.output_type == "error"]
    lines = [o for o in outputs if "trained in" in o.get("data", {}).get("text/plain", "")]
    assert len(lines) == (name != "pytorch")
