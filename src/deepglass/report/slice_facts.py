"""What a report tells of the slices of an output's test rows, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from deepglass.metrics.summaries import Figure
from deepglass.report.output_facts import Mistake


class SliceFacts(NamedTuple):
    """Test rows that have something in common.

    Args:
        words: what that is, such as "age is from 17 to 28".
        figure: of these rows.
        weak: whether it is among those that are worse beyond chance.
        items: some of its rows, as places among `Slices.items`; the worst first.
        unsaid: the words without what stands in rows.
    """

    words: str
    rows: int
    figure: Figure
    weak: bool = False
    items: tuple[int, ...] = ()
    unsaid: str = "…"


@dataclass(frozen=True, kw_only=True)
class Slices:
    """The slices of one output.

    Args:
        output: its place among the outputs.
        name: its name.
        metric: the name of the figure.
        whole: the figure of all these rows.
        rows: how many they are.
        slices: the worst first.
        weak: the words of those that are worse beyond chance, the most evident first; each outside of those before.
        looked_at: how many slices there are in all.
        items: rows that are shown.
    """

    output: int
    name: str
    metric: str
    whole: Figure
    rows: int
    slices: tuple[SliceFacts, ...]
    looked_at: int
    weak: tuple[str, ...] = ()
    items: tuple[Mistake, ...] = ()

    def without_rows(self) -> Slices:
        """The same without single rows, and without their values in the slices' names."""
        unsaid = {s.words: s.unsaid for s in self.slices}
        slices = tuple(s._replace(items=(), words=s.unsaid) for s in self.slices)
        return replace(self, items=(), slices=slices, weak=tuple(unsaid.get(w, "…") for w in self.weak))
