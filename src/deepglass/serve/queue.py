"""A queue of questions to a person, and the answers, which are in the file after each one."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deepglass.data.table import Table
from deepglass.errors import SourceError, SpecError
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output
from deepglass.labelling.question import Question
from deepglass.prepare.label_corrections import Mend, Origin, as_value, single_values, text_of, write_labels

LONGEST = 200  # characters of a new class
WHY = {"wrong": "looked wrong", "open": "worth labelling"}


@dataclass
class Queue:
    """Rows to label or mend, one after the other.

    Args:
        items: the questions, best first.
        table: the whole source, as it is.
        inputs: what is shown of a row.
        output: what is asked.
        path: the file of the answers.
        origin: of which source its rows are counted.
        earlier: answers of an earlier sitting, and of the run itself: they stay in the file.
        run: in words, for the page.

    Example:
        >>> queue = deepglass.label("runs/photos-1", "photos/")  # doctest: +SKIP
        >>> for i, item in enumerate(queue.items):  # doctest: +SKIP
        ...     queue.answer(i, item.proposed)
    """

    items: Sequence[Question]
    table: Table
    inputs: Sequence[Feature]
    output: Output
    path: Path
    origin: Origin
    earlier: Mapping[tuple[int, str], Mend] = field(default_factory=dict)
    run: str = ""
    answers: dict[int, str] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes to choose from, those that somebody has added last; none where a number is asked."""
        names = self.output.class_names
        if not names:
            return ()
        added = [*(m.new for m in self.earlier.values() if m.column == self.output.column), *self.answers.values()]
        return tuple(dict.fromkeys([*names, *(a for a in added if a)]))

    def answer(self, item: int, label: str) -> None:
        """What the row is; "" for nothing that could be a label. The file has it when this returns.

        Raises:
            SpecError: `bad-value` for an item that is not there or a label that cannot stand in the column.
            StorageError: the file cannot be written.
        """
        self._check(item)
        label = " ".join(label.split())
        if len(label) > LONGEST:
            raise SpecError("bad-value", f"label: expected at most {LONGEST} characters, got {len(label)}")
        self._fits(label)
        self.answers[item] = label
        self.save()

    def undo(self, item: int) -> None:
        """Take an answer back."""
        self._check(item)
        if self.answers.pop(item, None) is not None:
            self.save()

    def save(self) -> None:
        """Write the file, whole or not at all."""
        mends = dict(self.earlier)
        mends |= {(m.row, m.column): m for m in map(self._mend, self.answers)}
        write_labels(self.path, self.origin, mends.values())

    @property
    def num_corrected(self) -> int:
        """How many answers of this sitting say something else than the source."""
        return sum(label != self.items[i].given for i, label in self.answers.items())

    def to_json(self) -> list[dict[str, Any]]:
        """The questions as plain values."""
        return [{**asdict(q), "near": [n._asdict() for n in q.near]} for q in self.items]

    def _mend(self, item: int) -> Mend:
        question, label = self.items[item], self.answers[item]
        column = self.output.column
        old = text_of(self.table[column][question.place]) if column in self.table.columns else ""
        why = "confirmed" if label == question.given else WHY[question.kind]
        return Mend(question.place, column, old, label, why)

    def _check(self, item: int) -> None:
        if not 0 <= item < len(self.items):
            raise SpecError("bad-value", f"label: there is no item {item}; there are {len(self.items)}, from 0")

    def _fits(self, label: str) -> None:
        """Raises: SpecError: for a label that training could not read."""
        column = self.output.column
        try:
            if not self.output.class_names and label and not math.isfinite(float(label.replace(",", "."))):
                raise SpecError("bad-value", f"label: expected a number, got {label!r}")
            if column in self.table.columns:
                as_value(label, single_values(self.table, column, "label"), "label")
        except (ValueError, SourceError) as error:
            text = str(error).partition("] ")[2] or f"label: expected a number, got {label!r}"
            raise SpecError("bad-value", text) from error


def next_commands(queue: Queue) -> str:
    """How to train again with the answers, from where the run is, and to see what they bring."""
    run, path = shlex.quote(queue.run), shlex.quote(str(queue.path))
    again = shlex.quote(f"{queue.run}-mended")
    spec = shlex.quote(f"{queue.run}/spec.yaml")
    return f"deepglass train {spec} --labels {path} --init-from {run} --out {again}\ndeepglass compare {run} {again}"
