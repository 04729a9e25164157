"""A queue of rows to label; each answer is written to the labels file at once."""

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import category

from deepglass.data.table import Table
from deepglass.errors import SourceError, SpecError, StorageError
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output
from deepglass.labelling.question import SPOT_CHECKS, Question
from deepglass.prepare.label_corrections import (
    LabelCorrection,
    Origin,
    write_corrections,
)
from deepglass.prepare.label_values import GIVEN, label_column, label_text, label_value
from deepglass.serve.reviews import Drawings

MAX_LABEL_CHARACTERS = 200
WHY = {
    "wrong": "looked wrong",
    "unlabelled": "worth labelling",
    "uncertain": "uncertain prediction",
    "random": "random row",
    "reopened": "answered again",
}


class _Answer(NamedTuple):
    """A label, and the number of the answer."""

    label: str
    order: int


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
        blind: the page hides label and prediction of a row until it has an answer.
        answers: item -> label, of this session.
        trained_with: those of `earlier` that the run itself was trained with.
        history: rows that earlier sessions answered, the last answer last.
        reopen: the question about a row of the source, to ask it again.
        drawings: of masks or boxes, by the row: they are accepted or refused.

    Example:
        >>> queue = deepglass.label("runs/photos-1", "photos/")  # doctest: +SKIP
        >>> for i, item in enumerate(queue.items):  # doctest: +SKIP
        ...     queue.answer(i, item.suggestion)
    """

    items: list[Question]
    table: Table
    inputs: Sequence[Feature]
    output: Output
    path: Path
    origin: Origin
    earlier: dict[tuple[int, str], LabelCorrection] = field(default_factory=dict)
    run: str = ""
    blind: bool = False
    answers: dict[int, str] = field(default_factory=dict)
    trained_with: Mapping[tuple[int, str], LabelCorrection] = field(default_factory=dict)
    history: list[int] = field(default_factory=list)
    reopen: Callable[[int], Question] | None = None
    drawings: Mapping[int, Drawings] | None = None
    _orders: dict[int, int] = field(default_factory=dict, init=False, repr=False)  # item -> number of its answer
    _undo: list[tuple[int, _Answer | None]] = field(
        default_factory=list, init=False, repr=False
    )  # item, its answer before

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes to choose from, added ones last; none for numbers, masks and boxes."""
        names = self.output.class_names
        if not names or self.drawings is not None:
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
        self._undo.append((item, self._answer(item)))
        try:
            self._put(item, _Answer(label, self._next_order()))
        except StorageError:
            self._undo.pop()
            raise

    def undo(self, item: int) -> None:
        """Withdraw an answer."""
        self._check(item)
        if item in self.answers:
            self._undo = [entry for entry in self._undo if entry[0] != item]
            self._put(item, None)

    @property
    def num_undoable(self) -> int:
        """Number of answers that `undo_last` can take back one after another."""
        return len(self._undo) + (len(self.history) if self.reopen is not None else 0)

    def undo_last(self) -> int | None:
        """Take back the last answer, of this session or of an earlier one with the same file.

        Returns:
            The item, which is new for an answer of an earlier session; None where there is no answer.
        """
        if self._undo:
            item, before = self._undo[-1]
            self._put(item, before)
            self._undo.pop()
            return item
        if self.reopen is None or not self.history:
            return None
        key = (self.history[-1], self.output.column)
        correction = self.earlier.pop(key)
        if key in self.trained_with:
            self.earlier[key] = self.trained_with[key]
        try:
            self.save()
        except StorageError:
            self.earlier[key] = correction
            raise
        self.items.append(self.reopen(self.history.pop()))
        return len(self.items) - 1

    def _next_order(self) -> int:
        return 1 + max([*self._orders.values(), *(c.order for c in self.earlier.values())], default=0)

    def _answer(self, item: int) -> _Answer | None:
        return _Answer(self.answers[item], self._orders[item]) if item in self.answers else None

    def _put(self, item: int, answer: _Answer | None) -> None:
        """Set or withdraw an answer and write the file; nothing changes where that fails."""
        before = self._answer(item)
        self._set(item, answer)
        try:
            self.save()
        except StorageError:
            self._set(item, before)
            raise

    def _set(self, item: int, answer: _Answer | None) -> None:
        if answer is None:
            self.answers.pop(item, None)
            self._orders.pop(item, None)
        else:
            self.answers[item], self._orders[item] = answer

    def save(self) -> None:
        """Write the labels file atomically."""
        mends = dict(self.earlier)
        mends |= {(m.row, m.column): m for m in map(self._mend, self.answers)}
        write_corrections(self.path, self.origin, mends.values())

    @property
    def num_corrected(self) -> int:
        """Number of answers of this session that differ from the source."""
        return sum(label != self.items[i].label for i, label in self.answers.items())

    @property
    def note(self) -> str:
        """What to tell about the choice of the rows; "" where labels look wrong or are missing."""
        if not self.items:
            return "there is no row to label: all are test rows, cannot be read, or have an answer"
        if any(q.kind not in SPOT_CHECKS for q in self.items):
            return ""
        return "no label looks wrong and none is missing: these are spot checks, uncertain predictions and random rows"

    def to_json(self) -> list[dict[str, Any]]:
        """The questions as plain values."""
        return [{**asdict(q), "neighbours": [n._asdict() for n in q.neighbours]} for q in self.items]

    def _mend(self, item: int) -> LabelCorrection:
        question, label = self.items[item], self.answers[item]
        column = self.output.column
        if self.drawings is not None:
            why = "accepted" if label == GIVEN else "refused"
            return LabelCorrection(question.row, column, GIVEN, label, why, self._orders[item])
        old = label_text(self.table[column][question.row]) if column in self.table.columns else ""
        why = "confirmed" if label == question.label else WHY[question.kind]
        return LabelCorrection(question.row, column, old, label, why, self._orders[item])

    def _check(self, item: int) -> None:
        if not 0 <= item < len(self.items):
            raise SpecError("bad-value", f"label: there is no item {item}; there are {len(self.items)}, from 0")

    def _fits(self, label: str) -> None:
        """Raises: SpecError: for a label that training could not read, or with control characters."""
        if unprintable := sorted({c for c in label if category(c) in ("Cc", "Cs")}):
            raise SpecError("bad-value", f"label: expected text without control characters, got {unprintable[0]!a}")
        column = self.output.column
        if self.drawings is not None:
            if label not in ("", GIVEN):
                raise SpecError("bad-value", f"label: expected {GIVEN!r}, to accept it, or nothing, got {label!r}")
            return
        try:
            if not self.output.class_names and label and not math.isfinite(float(label.replace(",", "."))):
                raise SpecError("bad-value", f"label: expected a number, got {label!r}")
            if column in self.table.columns:
                label_value(label, label_column(self.table, column, "label"), "label")
        except (ValueError, SourceError) as error:
            text = error.message if isinstance(error, SourceError) else f"label: expected a number, got {label!r}"
            raise SpecError("bad-value", text) from error


def next_commands(queue: Queue) -> str:
    """Commands that train again with the labels, initialised from the run, and compare both runs."""
    run, path = shlex.quote(queue.run), shlex.quote(str(queue.path))
    again = shlex.quote(f"{queue.run}-corrected")
    spec = shlex.quote(f"{queue.run}/spec.yaml")
    return f"deepglass train {spec} --labels {path} --init-from {run} --out {again}\ndeepglass compare {run} {again}"
