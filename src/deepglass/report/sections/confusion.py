"""Which classes are taken for which: the confusion matrix, whose cells show their rows."""

from __future__ import annotations

import numpy as np

from deepglass.formatting import count, percent, plural
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, details, each_output, label, meter, shorten, table, text
from deepglass.report.output_facts import ClassFacts, OutputFacts
from deepglass.report.sections.mistakes import card, places_of

_MOST_CLASSES = 20
_WORST_SHOWN = 12
_MOST_IN_TABLE = 200
_PICTURE_BYTES = 1_500_000  # of all rows of all cells together


def panel(facts: Facts) -> Panel | None:
    """A matrix an output of classes; None where there is none."""
    shown = [(i, o) for i, o in enumerate(facts.outputs) if o.classes and o.classes.confusion is not None]
    if not shown:
        return None
    left, parts = _PICTURE_BYTES, []
    for i, output in shown:
        assert output.classes is not None
        html = f'<div class="matrixside">{_matrix(i, output.classes, _kept(output))}{_classes(output.classes)}</div>'
        items, left = _items(i, output, left)
        html += f'<div class="picked" data-output="{i}" tabindex="-1" role="group" aria-label="Rows of a cell"></div>'
        parts.append((output.name, html + items))
    lead = "A row for each true class, a column for each answer."
    if any(_kept(o) for _, o in shown):
        lead += " Choose a cell to see some of its rows."
    return Panel("Which is taken for which", lead, each_output(parts, named=len(facts.outputs) > 1), short="Confusion")


def _kept(output: OutputFacts) -> bool:
    """Whether there are rows to see."""
    return bool(output.mistakes or output.items)


def _items(place: int, output: OutputFacts, left: int) -> tuple[str, int]:
    """The rows of the cells, which wait unseen until their cell is chosen, and the bytes that are left."""
    if not output.items:
        return "", left
    names, cards = places_of(output), []
    for item in output.items:
        size = len(item.picture or b"")
        picture = item.picture if size <= left else None
        left -= size if picture else 0
        cards.append(card(place, item, picture, names))
    return f'<template class="items" data-output="{place}">{"".join(cards)}</template>', left


def most_confused(confusion: np.ndarray, at_most: int = _MOST_CLASSES) -> list[int]:
    """The classes of the most frequent mistakes, in their own order; all where there are few."""
    if len(confusion) <= at_most:
        return list(range(len(confusion)))
    wrong = confusion * (1 - np.eye(len(confusion), dtype=confusion.dtype))
    picked: dict[int, None] = {}
    for place in np.argsort(-wrong, axis=None, kind="stable"):
        for i in divmod(int(place), len(confusion)):
            if len(picked) < at_most:
                picked[i] = None
        if len(picked) == at_most:
            break
    return sorted(picked)


def _matrix(output: int, classes: ClassFacts, kept: bool) -> str:
    confusion = np.nan_to_num(np.asarray(classes.confusion, dtype=float)).astype(int)
    picked = most_confused(confusion)
    part = len(picked) < len(confusion)
    wrong = confusion[np.ix_(picked, picked)] * (1 - np.eye(len(picked), dtype=int))
    highest = max(int(wrong.max(initial=0)), 1)
    names = [classes.names[i] for i in picked]
    long = max((len(n) for n in names), default=0) > 3
    head = "".join(f'<th scope="col"><span>{label(n, 14)}</span></th>' for n in names)
    head += '<th scope="col" class="rest"><span>others</span></th>' if part else ""
    rows = []
    for i in picked:
        cells = "".join(_cell(output, confusion, i, j, highest, classes.names, kept) for j in picked)
        if part:
            others = int(confusion[i].sum() - confusion[i, picked].sum())
            cells += f'<td class="rest">{count(others) if others else ""}</td>'
        rows.append(f'<tr><th scope="row">{label(classes.names[i], 18)}</th>{cells}</tr>')
    size = "few" if len(picked) <= 4 else "large" if len(picked) > 12 else ""
    css = " ".join(["confusion", "long" if long else "", size]).strip()
    note = f'<p class="note">The {len(picked)} most confused of {count(len(confusion))} classes.</p>' if part else ""
    none = "" if wrong.any() else '<p class="note">There is no mistake among these test rows.</p>'
    return (
        f'<div class="matrix"><div class="scroll" tabindex="0" role="group" aria-label="Confusion matrix">'
        f'<table class="{css}"><caption>answer →</caption>'
        f'<thead><tr><td class="corner">true ↓</td>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
        f"{note}{none}</div>"
    )


def _cell(output: int, confusion: np.ndarray, i: int, j: int, highest: int, names: tuple[str, ...], kept: bool) -> str:
    n, rows = int(confusion[i, j]), max(int(confusion[i].sum()), 1)
    if not n:
        return "<td></td>"
    said = text(f"{shorten(names[i], 60)} answered as {shorten(names[j], 60)}: {plural(n, 'row')}, {percent(n / rows)}")
    css, weight = ("right", n / rows) if i == j else ("wrong", 0.05 + 0.95 * (n / highest) ** 0.5)
    if not kept:
        return f'<td class="{css}" style="--w:{weight:.0%}" title="{said}">{count(n)}</td>'
    return (
        f'<td class="{css}" style="--w:{weight:.0%}"><button type="button" data-output="{output}" data-true="{i}" '
        f'data-said="{j}" data-count="{n}" title="{said}" aria-pressed="false" aria-label="{said}">'
        f"{count(n)}</button></td>"
    )


def _classes(classes: ClassFacts) -> str:
    """How well each class is found and how far its name can be trusted, worst first."""
    confusion = np.nan_to_num(np.asarray(classes.confusion, dtype=float))
    right, rows, said = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    found = np.divide(right, rows, out=np.zeros_like(right), where=rows > 0)
    trusted = np.divide(right, said, out=np.zeros_like(right), where=said > 0)
    total = found + trusted
    f1 = np.divide(2 * found * trusted, total, out=np.zeros_like(right), where=total > 0)
    worst = [int(i) for i in np.argsort(f1, kind="stable") if rows[i] > 0][:_MOST_IN_TABLE]
    lines = [
        [
            label(classes.names[i], 40),
            count(rows[i]),
            _bar(found[i]),
            _bar(trusted[i]) if said[i] else "–",
            percent(f1[i]),
        ]
        for i in worst
    ]
    head = ["Class", "Test rows", "Found <small>recall</small>", "Right when named <small>precision</small>", "F1"]
    first = table(head, lines[:_WORST_SHOWN], css="classes", caption="Figures of each class, worst first")
    if len(lines) <= _WORST_SHOWN:
        return f'<div class="perclass"><h3>Each class, worst first</h3>{first}</div>'
    rest = table(head, lines[_WORST_SHOWN:], css="classes", caption="The other classes")
    more = f"{count(len(lines) - _WORST_SHOWN)} more" + (
        f" of {count(len(classes.names))} classes" if len(classes.names) > _MOST_IN_TABLE else ""
    )
    return f'<div class="perclass"><h3>Each class, worst first</h3>{first}{details(more, rest)}</div>'


def _bar(share: float) -> str:
    return f"{meter(share)}{percent(share)}"
