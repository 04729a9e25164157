"""A queue of rows to label; each answer is written to the labels file at once."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import category

from deepglass.data.table import Table
from deepglass.errors import SourceError, SpecError
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output
from deepglass.labelling.question import Question
from deepglass.prepare.label_corrections import (
    LabelCorrection,
    Origin,
    label_column,
    label_text,
    label_value,
    write_corrections,
)

MAX_LABEL_CHARACTERS = 200
WHY = {"wrong": "looked wrong", "unlabelled": "worth labelling"}


@dataclass
class Queue:
    """Rows to label or correct, most valuable first.

    Args:
        items: the questions, most valuable first.
        table: the whole source, unchanged.
        inputs: the features of a row that the page shows.
        output: the output to label.
        path: the labels file.
        origin: identifies the source of the row indices.
        earlier: labels of earlier sessions and of the run itself; they stay in the file.
        run: path of the run, for the page.

    Example:
        >>> queue = deepglass.label("runs/photos-1", "photos/")  # doctest: +SKIP
        >>> for i, item in enumerate(queue.items):  # doctest: +SKIP
        ...     queue.answer(i, item.suggestion)
    """

    items: Sequence[Question]
    table: Table
    inputs: Sequence[Feature]
    output: Output
    path: Path
    origin: Origin
    earlier: Mapping[tuple[int, str], LabelCorrection] = field(default_factory=dict)
    run: str = ""
    answers: dict[int, str] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes to choose from, added ones last; none for numbers."""
        names = self.output.class_names
        if not names:
            return ()
        added = [*(m.new for m in self.earlier.values() if m.column == self.output.column), *self.answers.values()]
        return tuple(dict.fromkeys([*names, *(a for a in added if a)]))

    def answer(self, item: int, label: str) -> None:
        """Store a label; "" for a row without a valid label. The file is written before this returns.

        Raises:
            SpecError: `bad-value` for an unknown item or a label that does not fit the column.
            StorageError: the file cannot be written.
        """
        self._check(item)
        label = " ".join(label.split())
        if len(label) > MAX_LABEL_CHARACTERS:
            raise SpecError("bad-value", f"label: expected at most {MAX_LABEL_CHARACTERS} characters, got {len(label)}")
        self._fits(label)
        self.answers[item] = label
        self.save()

    def undo(self, item: int) -> None:
        """Withdraw an answer."""
        self._check(item)
        if self.answers.pop(item, None) is not None:
            self.save()

    def save(self) -> None:
        """Write the labels file atomically."""
        mends = dict(self.earlier)
        mends |= {(m.row, m.column): m for m in map(self._mend, self.answers)}
        write_corrections(self.path, self.origin, mends.values())

    @property
    def num_corrected(self) -> int:
        """Number of answers of this session that differ from the source."""
        return sum(label != self.items[i].label for i, label in self.answers.items())

    def to_json(self) -> list[dict[str, Any]]:
        """The questions as plain values."""
        return [{**asdict(q), "neighbours": [n._asdict() for n in q.neighbours]} for q in self.items]

    def _mend(self, item: int) -> LabelCorrection:
        question, label = self.items[item], self.answers[item]
        column = self.output.column
        old = label_text(self.table[column][question.row]) if column in self.table.columns else ""
        why = "confirmed" if label == question.label else WHY[question.kind]
        return LabelCorrection(question.row, column, old, label, why)

    def _check(self, item: int) -> None:
        if not 0 <= item < len(self.items):
            raise SpecError("bad-value", f"label: there is no item {item}; there are {len(self.items)}, from 0")

    def _fits(self, label: str) -> None:
        """Raises: SpecError: for a label that training could not read, or with control characters."""
        if unprintable := sorted({c for c in label if category(c) in ("Cc", "Cs")}):
            raise SpecError("bad-value", f"label: expected text without control characters, got {unprintable[0]!a}")
        column = self.output.column
        try:
            if not self.output.class_names and label and not math.isfinite(float(label.replace(",", "."))):
                raise SpecError("bad-value", f"label: expected a number, got {label!r}")
            if column in self.table.columns:
                label_value(label, label_column(self.table, column, "label"), "label")
        except (ValueError, SourceError) as error:
            text = str(error).partition("] ")[2] or f"label: expected a number, got {label!r}"
            raise SpecError("bad-value", text) from error


def next_commands(queue: Queue) -> str:
    """Commands that train again with the labels, initialised from the run, and compare both runs."""
    run, path = shlex.quote(queue.run), shlex.quote(str(queue.path))
    again = shlex.quote(f"{queue.run}-corrected")
    spec = shlex.quote(f"{queue.run}/spec.yaml")
    return f"deepglass train {spec} --labels {path} --init-from {run} --out {again}\ndeepglass compare {run} {again}"
