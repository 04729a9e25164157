"""The head of a report: what the predictions amount to, and what to beware of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from report_values import base, class_output, section_html

import deepglass
from deepglass.doctor.base import Finding
from deepglass.metrics.summaries import Bin, Reliability
from deepglass.report.headline import headline, short_text
from deepglass.report.output_facts import ClassFacts, NumberFacts, OutputFacts


def binary(confusion: list[list[int]], reliability: Reliability | None = None) -> OutputFacts:
    facts = ClassFacts(names=("no", "yes"), confusion=np.array(confusion), reliability=reliability)
    return class_output(classes=facts, test_rows=int(np.sum(confusion)))


def numbers(coverage: float, rows: int) -> OutputFacts:
    facts = NumberFacts(
        truth=np.zeros(0), predicted=np.zeros(0), level=0.9, coverage=coverage, errors={0.5: 12.0, 0.9: 40.0}
    )
    return class_output(classes=None, numbers=facts, test_rows=rows)


def test_a_rare_class_is_told_in_rows() -> None:
    told = headline(binary([[363, 4], [14, 31]]))
    assert (
        "Of 45\N{NO-BREAK SPACE}rows of “yes” 31 are recognised; of 367 of “no” 4 are taken for “yes”."
        in told.sentences
    )
    assert any("predicting only that is 89.1" in w for w in told.warnings)


@pytest.mark.parametrize(
    ("confusion", "sentence", "absent"),
    [
        ([[0, 0], [1, 5]], "Of 6\N{NO-BREAK SPACE}rows of “yes” 5 are recognised.", "“no”"),
        ([[4, 2], [0, 0]], "Of 6 of “no” 2 are taken for “yes”.", "“yes”"),
    ],
)
def test_of_a_class_without_test_rows_nothing_is_said(confusion: list[list[int]], sentence: str, absent: str) -> None:
    told = headline(binary(confusion))
    assert sentence in told.sentences
    assert told.warnings == (f"No test row is {absent}: how well it would be predicted cannot be said.",)


def test_a_class_that_is_never_found_is_a_warning() -> None:
    told = headline(binary([[360, 0], [30, 0]]))
    assert "Missed: 100\N{NO-BREAK SPACE}% of “yes”." in told.warnings
    assert not any("Missed" in w for w in headline(binary([[360, 0], [3, 0]])).warnings), "three rows say nothing"


@pytest.mark.parametrize(
    ("coverage", "rows", "text", "warns"),
    [
        (0.495, 200, "too narrow beyond chance", True),
        (0.88, 44, "within chance", False),
        (1.0, 400, "wider than needed", False),
        (0.5, 8, "too few rows to tell", False),
    ],
)
def test_the_coverage_of_intervals_is_judged(coverage: float, rows: int, text: str, warns: bool) -> None:
    told = headline(numbers(coverage, rows))
    assert any(text in sentence for sentence in (told.warnings if warns else told.sentences))
    assert "Half of the predictions are off by at most 12.0, nine in ten by 40.0." in told.sentences


@pytest.mark.parametrize(
    ("accuracy", "rows", "text"),
    [(0.93, 15, None), (0.5, 200, "too high beyond chance"), (0.9, 200, "within chance")],
)
def test_confidence_is_judged_where_there_are_rows(accuracy: float, rows: int, text: str | None) -> None:
    reliability = Reliability(after=(Bin(0.91, accuracy, rows),), ece_after=0.1)
    told = [s for s in headline(binary([[50, 5], [5, 50]], reliability)).sentences if "confidence" in s]
    assert len(told) == (text is not None)
    assert text is None or text in told[0]


def test_findings_that_make_metrics_invalid_come_first_and_at_most_three() -> None:
    findings = [
        Finding(kind, (), ("a",), 0.9, f"{kind} text: rows 1 = 2", "")
        for kind in ("weak_slice", "label_error", "leak", "split_duplicate", "drift", "constant")
    ]
    told = headline(binary([[360, 0], [30, 0]]), findings)
    assert told.warnings[:2] == ("Split_duplicate text.", "Leak text.")
    assert len(told.warnings) == 3
    html = section_html("summary", base(outputs=(binary([[50, 5], [5, 50]]),), findings=tuple(findings)))
    assert "6\N{NO-BREAK SPACE}problems of the data" in html


def test_masks_without_a_hit_of_some_classes_say_so() -> None:
    per_class = {"road": {"rows": 9, "iou": 0.9}, **{f"c{i}": {"rows": 9, "iou": 0.0} for i in range(8)}}
    (warning,) = headline(class_output(classes=None), (), per_class).warnings
    assert warning == "8 of 9\N{NO-BREAK SPACE}classes are never predicted rightly: “c0”, “c1”, “c2” and 5 more."


def test_copies_across_the_split_are_told_on_the_first_screen(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 3))
    y = np.where(x[:, 0] > 0, "yes", "no")
    rows = np.concatenate([np.arange(300), np.arange(0, 300, 3)])
    frame = pl.DataFrame({"a": x[rows, 0], "b": x[rows, 1], "c": x[rows, 2], "y": y[rows]})
    run = deepglass.train(frame, "y", steps=10, out=tmp_path / "run")
    summary = (run.path / "report.html").read_text().partition('id="metrics"')[0]
    assert "occur in another split too" in summary
    assert "chosen at random" in summary


def test_a_column_keeps_its_name_at_the_beginning_of_a_sentence() -> None:
    finding = Finding("label_error", (), ("y",), 0.9, "y: 4 labels look wrong: row 1 is labelled a", "")
    assert short_text(finding) == "y: 4 labels look wrong."
