"""Single test rows of an output that a section shows: nothing is left of them in a report without rows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from deepglass.features.outputs.base import Output
from deepglass.introspect.rows import OutputRows
from deepglass.report.data import ReportData


class Sized(Protocol):
    """A row with media: images, audio."""

    @property
    def num_bytes(self) -> int: ...


T = TypeVar("T")
S = TypeVar("S", bound=Sized)


@dataclass(frozen=True)
class OutputExamples(Generic[T]):
    """Test rows of one output."""

    name: str
    rows: tuple[T, ...]

    def without_rows(self) -> None:
        """None: all of it is rows."""


def examples(
    report: ReportData, rows_of: Callable[[Output, OutputRows], tuple[T, ...]]
) -> tuple[OutputExamples[T], ...]:
    """The rows of each tested output that has some."""
    outputs = (OutputExamples(feature.name, rows_of(feature, rows)) for feature, rows in report.tested_outputs)
    return tuple(output for output in outputs if output.rows)


def within_bytes(rows: Iterable[S], num_bytes: int) -> list[S]:
    """The rows whose media fit, in their order."""
    selected = []
    for row in rows:
        num_bytes -= row.num_bytes
        if num_bytes > 0:
            selected.append(row)
    return selected
