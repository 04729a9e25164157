"""Facts of a report without a run, for tests of its sections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np

from deepglass.data.table import Note, Skipped
from deepglass.doctor.base import Finding
from deepglass.introspect.layers import Layer
from deepglass.metrics import summaries as measure
from deepglass.metrics.summaries import Bin, Figure, Histogram, Reliability, TopValues
from deepglass.metrics.table import METRICS
from deepglass.report.data import ReportData
from deepglass.report.facts import ColumnFacts, DataFacts, HistoryPoint, PlanFacts
from deepglass.report.output_facts import Baseline, ClassFacts, OutputFacts
from deepglass.report.row_cards import RowCard
from deepglass.report.sections.base import section_key
from deepglass.report.write import render, sections

NAN = float("nan")
EVIL = '<script>alert("1")</script>&\'\x07\ud800'
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}

EMPTY: dict[str, Any] = {
    "name": "run",
    "task": "",
    "data": DataFacts(source="rows.csv", rows=1),
    "plan": None,
    "metrics": {},
}
LISTS = ("columns", "outputs", "history", "layers")


def report_of(own: Mapping[str, Any] | None = None, **values: Any) -> ReportData:
    """A report of these facts alone.

    Args:
        own: section -> its own facts.
        values: facts that sections share.
    """
    sections_own = {section_key(name): facts for name, facts in (own or {}).items()}
    given = {**EMPTY, **dict.fromkeys(LISTS, ()), **values, **sections_own}
    return ReportData(None, values=given)


def section_html(name: str, report: ReportData) -> str:
    """A section of a report; empty where it is left out."""
    section = next(s for s in sections() if s.name == name)
    return str(section.render(report) or "")


class Balance(HTMLParser):
    """Collects unbalanced tags, ids, and external resources."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "srcset", "data", "action") and not (value or "").startswith(("#", "data:")):
                self.loaded.append(f"{tag} {name}={value}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()}")


def checked(facts: ReportData) -> str:
    """The report's html, after the checks of every report."""
    html = render(facts)
    page = Balance()
    page.feed(html)
    page.close()
    assert page.wrong == []
    assert page.open == []
    assert page.loaded == []
    assert len(page.ids) == len(set(page.ids))
    assert not re.search(r"https?://", html), "nothing comes from the network"
    assert not re.search(r"url\(|@import", html)
    words = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", html, flags=re.S)
    shown = re.sub(r"<[^>]*>", " ", words)
    assert not re.search(r"\bnan\b|\binf\b|\bNone\b", shown)
    drawn = re.findall(r' (?:d|x|y|cx|cy|r|width|height|style)="([^"]*)"', words)
    assert not any(re.search(r"nan|inf|None", value) for value in drawn)
    return html


def base(own: dict[str, object] | None = None, **changes: object) -> ReportData:
    facts: dict[str, object] = {
        "name": "run-1",
        "task": "Predict the answer from two columns.",
        "data": DataFacts(
            source="rows.csv",
            rows=1000,
            splits={"train": 800, "valid": 100, "test": 100},
            notes=(Note("delimiter", "';'", "in each of 200 lines"),),
            skipped=(Skipped("line 7", "two cells too many"),),
        ),
        "columns": (
            ColumnFacts(name="age", kind="number", why="70 numbers", missing=0.1, spread=Histogram(0, 9, (1, 5, 2))),
            ColumnFacts(name="town", kind="category", spread=TopValues((("Graz", 7), ("Linz", 2)), 1, 3)),
            ColumnFacts(name="id", kind="", role="ignored", role_why="different in every row", example="a-17"),
            ColumnFacts(name="answer", kind="category", role="output"),
        ),
        "history": tuple(
            HistoryPoint(100 * i, i / 2, 1.5 * i, 1e-3 / i, {"loss": 2 / i}, {"loss": 2.1 / i, "accuracy": 1 - 0.3 / i})
            for i in range(1, 20)
        ),
        "plan": PlanFacts(steps=1900, batch_size=64, seconds=12.3, parameters=4321, threads=2),
        "best_step": 1800,
        "layers": (Layer("town", "Embedding", (1, 16), 48), Layer("head", "Linear", (3,), 51)),
    }
    reproduction = {
        "command": "deepglass train rows.csv",
        "spec": "inputs: [age]\n",
        "versions": {"torch": "2"},
        "seed": 0,
        "weights_sha256": "",
    }
    findings = (Finding("leak", (), ("age",), 0.9, "age tells the answer", "ignore: [age]"),)
    return report_of({"reproduce": reproduction, **(own or {})}, **{**facts, "findings": findings, **changes})


def class_output(names: tuple[str, ...] = ("a", "b", "c"), **changes: object) -> OutputFacts:
    k = len(names)
    confusion = np.full((k, k), 2) + 30 * np.eye(k, dtype=int)
    right = int(np.trace(confusion))
    rows = int(confusion.sum())
    picture = measure.thumbnail(np.arange(64, dtype=np.uint8).reshape(8, 8))
    output = OutputFacts(
        name="answer",
        metric=METRICS["accuracy"],
        test={"accuracy": measure.share_interval(right, rows), "log_loss": Figure(0.3, 0.2, 0.4)},
        test_rows=rows,
        baselines={
            "constant": Baseline({"accuracy": 1 / k}),
            "linear": Baseline({"accuracy": 0.7}, 800, 0.1),
            "gradient_boosting": Baseline({"accuracy": 0.72}, 500, 1.4),
        },
        classes=ClassFacts(
            names=names,
            confusion=confusion,
            reliability=Reliability(
                after=(Bin(0.6, 0.55, 20), Bin(0.9, 0.92, 80)), before=(Bin(0.9, 0.7, 100),), ece_after=0.02
            ),
        ),
        mistakes=(RowCard(row=3, truth=names[0], predicted=names[1], confidence=0.97, image=picture),),
        warnings=("Few rows are c.",),
    )
    return replace(output, **changes)
