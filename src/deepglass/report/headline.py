"""What the test predictions of an output amount to, in a sentence, and the warnings that belong beside it."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from deepglass.doctor.base import Finding
from deepglass.formatting import count, finite, first_names, number, percent, plural
from deepglass.metrics.paired import binomial_p_value
from deepglass.report.output_facts import ClassFacts, NumberFacts, OutputFacts

MAX_WARNINGS = 3
SIGNIFICANCE = 0.01  # of coverage and confidence being below what they promise
MIN_ROWS = 20  # of a class or of confident predictions, below which nothing is said of them
LOW_RECALL = 0.5  # below which a warning says how many rows of a class are missed
CONFIDENT = 0.8  # from this confidence on a prediction counts as confident
PER_COLUMN = ("leak", "label_error", "drift", "outlier", "spelling", "id_column", "constant", "proxy")
"""Kinds of findings whose text names one column after the other."""
MAX_NAMES = 3
MAX_NAME = 30  # characters of a class name

END_OF_SENTENCE = re.compile(r": rows? |; ")  # before the examples of a finding, or what follows from it

INVALID = ("split_duplicate", "group_leak", "leak")  # findings for which the metrics do not mean what they say
DOUBTFUL = ("label_error", "drift", "weak_slice")  # findings that are worth a look before they are trusted


class Headline(NamedTuple):
    """Sentences about an output, plain text.

    Args:
        sentences: what the predictions amount to.
        warnings: what makes them worth less than the main metric says, the most serious first.
    """

    sentences: tuple[str, ...]
    warnings: tuple[str, ...]


def headline(
    output: OutputFacts, findings: Sequence[Finding] = (), per_class: Mapping[str, Mapping[str, float]] | None = None
) -> Headline:
    """The sentences of one output.

    Args:
        findings: of the run.
        per_class: class -> metric -> value, of masks, boxes and labels.
    """
    sentences: list[str] = []
    warnings = _finding_warnings(findings, INVALID)
    if output.classes is not None and output.classes.confusion is not None:
        own = _classes(output.classes)
        sentences += own.sentences
        warnings += own.warnings
    if output.numbers is not None:
        own = _numbers(output.numbers, output.test_rows)
        sentences += own.sentences
        warnings += own.warnings
    if per_class:
        sentences += _boxes(per_class)
        warnings += _unnamed_classes(per_class)
    warnings += _finding_warnings(findings, DOUBTFUL)
    return Headline(tuple(sentences), tuple(warnings[:MAX_WARNINGS]))


def _finding_warnings(findings: Sequence[Finding], kinds: Sequence[str]) -> list[str]:
    """The texts of the findings of these kinds, in their order, without examples."""
    return [short_text(f) for f in by_severity(findings) if f.kind in kinds]


def by_severity(findings: Sequence[Finding]) -> list[Finding]:
    """Those first for which the metrics do not mean what they say, then doubtful ones; the most certain first."""
    order = (*INVALID, *DOUBTFUL)
    return sorted(findings, key=lambda f: (order.index(f.kind) if f.kind in order else len(order), -f.confidence))


def short_text(finding: Finding) -> str:
    """The first sentence of a finding's text with its evidence: `82 of the test rows occur in training too.`"""
    return first_sentence(finding)[0]


def first_sentence(finding: Finding) -> tuple[str, str]:
    """The first sentence of a finding's text, and the rest of it: examples, further rows, advice."""
    text = finding.text
    end = match.start() if (match := END_OF_SENTENCE.search(text)) else len(text)
    rest = text[end:].lstrip(":; ")
    first = sentence(text[:end], finding.columns)
    if finding.kind in PER_COLUMN and (further := [c for c in finding.columns if c not in first]):
        first += f" Also {first_names(further, MAX_NAMES)}."
    return first, sentence(rest) if rest else ""


def sentence(text: str, names: Sequence[str] = ()) -> str:
    """Words with a capital at the beginning, unless it is a name, and a full stop at the end."""
    first = text[:1] if text.startswith(tuple(names)) else text[:1].upper()
    return first + text[1:].rstrip(".") + "."


def _classes(classes: ClassFacts) -> Headline:
    confusion, names = np.nan_to_num(np.asarray(classes.confusion, dtype=float)), classes.names
    totals, right = confusion.sum(1), np.diag(confusion)
    sentences = []
    if len(names) == 2:
        negative, positive = (_name(name) for name in names)
        recognised = f"{plural(int(totals[1]), classes.unit)} of {positive} {_are(right[1])} recognised"
        false_alarms = f"{count(totals[0])} of {negative} {_are(totals[0] - right[0])} taken for {positive}"
        if parts := [part for part, n in ((recognised, totals[1]), (false_alarms, totals[0])) if n]:
            sentences.append(f"Of {'; of '.join(parts)}.")
    elif totals.sum():
        sentences.append(f"{count(right.sum())} of {plural(int(totals.sum()), classes.unit)} are right.")
        if (pair := _most_confused(confusion)) is not None:
            true, predicted, rows = pair
            mistake = f"{_name(names[true])} predicted as {_name(names[predicted])}"
            sentences.append(f"The most frequent mistake: {mistake} ({plural(rows, classes.unit)}).")
    sentences += _confidence(classes)
    recall = right / np.maximum(totals, 1)
    missed = [k for k in np.argsort(recall, kind="stable") if totals[k] >= MIN_ROWS and recall[k] < LOW_RECALL]
    warnings = []
    if totals.sum() and (absent := [_name(name) for name, n in zip(names, totals, strict=True) if not n]):
        them = "it" if len(absent) == 1 else "them"
        listing = first_names(absent, MAX_NAMES)
        warnings.append(f"No test {classes.unit} is {listing}: how well {them} would be predicted cannot be said.")
    if missed:
        parts = [f"{percent(1 - recall[k], 0)} of {_name(names[k])}" for k in missed[:MAX_NAMES]]
        more = f" and more than half of {plural(len(missed) - MAX_NAMES, 'further class', 'further classes')}"
        warnings.append(f"Missed: {', '.join(parts)}{more if len(missed) > MAX_NAMES else ''}.")
    share = totals.max() / max(totals.sum(), 1)
    if CONFIDENT <= share < 1 and len(names) > 1:
        name = _name(names[int(totals.argmax())])
        only = f"predicting only that is {percent(share)} accurate"
        warnings.append(f"{percent(share)} of the test {classes.unit}s are {name}: {only}.")
    return Headline(tuple(sentences), tuple(warnings))


def _are(n: float) -> str:
    """`1 is`, `31 are`."""
    return f"{count(n)} {'is' if n == 1 else 'are'}"


def _most_confused(confusion: np.ndarray) -> tuple[int, int, int] | None:
    """True class, predicted class and rows of the most frequent mistake; None without two equal ones."""
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    true, predicted = np.unravel_index(int(wrong.argmax()), wrong.shape)
    rows = int(wrong[true, predicted])
    return (int(true), int(predicted), rows) if rows > 1 else None


def _confidence(classes: ClassFacts) -> list[str]:
    """Confidence and accuracy of the confident predictions, with what their difference says."""
    bins = [b for b in classes.reliability.after if b.confidence >= CONFIDENT] if classes.reliability else []
    bins = [b for b in bins if finite(b.accuracy)]
    rows = sum(b.rows for b in bins)
    if rows < MIN_ROWS:
        return []
    confidence = sum(b.confidence * b.rows for b in bins) / rows
    right = round(sum(b.accuracy * b.rows for b in bins))
    text = (
        f"Of the {plural(rows, 'prediction')} with at least 80\N{NO-BREAK SPACE}% confidence "
        f"{percent(right / rows)} are right; their mean confidence is {percent(confidence)}"
    )
    p_value = binomial_p_value(right, rows, min(confidence, 1.0))
    if p_value >= SIGNIFICANCE:
        return [f"{text}, within chance."]
    return [f"{text}: too {'high' if right / rows < confidence else 'low'} beyond chance."]


def _numbers(numbers: NumberFacts, rows: int) -> Headline:
    sentences, warnings = [], []
    half, most = (numbers.errors.get(q) for q in (0.5, 0.9))
    if finite(half) and finite(most):
        sentences.append(f"Half of the predictions are off by at most {number(half)}, nine in ten by {number(most)}.")
    if finite(numbers.level) and finite(numbers.coverage):
        held, level = numbers.coverage, numbers.level
        sentence = f"The {percent(level, 0)} intervals hold {percent(held)} of the true values"
        if rows < MIN_ROWS:
            sentences.append(f"{sentence}: too few rows to tell whether they are right.")
        elif binomial_p_value(round(held * rows), rows, level) >= SIGNIFICANCE:
            sentences.append(f"{sentence}, within chance.")
        elif held > level:
            sentences.append(f"{sentence}: wider than needed.")
        else:
            warnings.append(f"{sentence}: too narrow beyond chance.")
    return Headline(tuple(sentences), tuple(warnings))


def _boxes(per_class: Mapping[str, Mapping[str, float]]) -> list[str]:
    """How many of the true boxes are found; [] for other outputs."""
    classes = [m for m in per_class.values() if "ap50" in m and m["rows"]]
    total = round(sum(m["rows"] for m in classes))
    hits = round(sum(m["rows"] * m["recall"] for m in classes))
    return [f"Of {plural(total, 'true box', 'true boxes')} {count(hits)} are found."] if total else []


def _unnamed_classes(per_class: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Classes that are there and have no hit at all."""
    names = [
        name
        for name, metrics in per_class.items()
        if metrics.get("rows", 1) > 0
        and any(finite(metrics.get(m)) for m in ("iou", "f1", "ap50"))
        and all(metrics[m] == 0 for m in ("iou", "f1", "ap50") if finite(metrics.get(m)))
    ]
    if not names:
        return []
    shown = ", ".join(map(_name, names[:MAX_NAMES]))
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return [f"{len(names)} of {plural(len(per_class), 'class', 'classes')} are never predicted rightly: {shown}{more}."]


def _name(name: str) -> str:
    short = name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
    return f"“{short}”"
