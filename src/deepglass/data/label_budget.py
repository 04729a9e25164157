"""Answers that are hidden, to learn how much can be learned from few of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from deepglass.data.missing import missing
from deepglass.errors import SpecError
from deepglass.features.base import Raw

_WHERE = "data.num_labels"


@dataclass(frozen=True)
class LabelBudget:
    """How many of the answers outside the test rows are kept: so many in all, or of each class.

    Raises:
        SpecError: `bad-value` unless one of the two is given, above 0.
    """

    count: int | None = None
    per_class: int | None = None

    def __post_init__(self) -> None:
        given = [v for v in (self.count, self.per_class) if v is not None]
        if len(given) != 1 or isinstance(given[0], bool) or not isinstance(given[0], int) or given[0] < 1:
            raise SpecError("bad-value", f"{_WHERE}: expected a number of labels above 0, or {{per_class: 10}}")

    @staticmethod
    def of(value: int | Mapping[str, int]) -> LabelBudget:
        """From a spec's words."""
        if isinstance(value, Mapping):
            if set(value) != {"per_class"}:
                raise SpecError("bad-value", f"{_WHERE}: expected a number or {{per_class: 10}}, got {dict(value)}")
            return LabelBudget(per_class=value["per_class"])
        return LabelBudget(count=value)

    def hidden(self, raw: Raw, split: np.ndarray, seed: int) -> np.ndarray:
        """The rows whose answer is hidden, (N,) bool; those of the test never are.

        What is kept is divided between training and validation rows as the rows are, so that no more labels are used
        to choose the best weights than were paid for.

        Args:
            raw: the answers, (N,).
            split: (N,) of "train", "valid", "test", "".

        Raises:
            SpecError: `bad-value` where `per_class` meets answers without classes, or a class has too few.
        """
        labelled = ~missing(raw) & np.isin(split, ("train", "valid"))
        classes = self._classes(raw)
        random = np.random.default_rng(seed)
        kept = np.zeros(len(split), bool)
        for value in np.unique(classes[labelled]):
            for part, wanted in self._shares(split, labelled).items():
                rows = np.flatnonzero(labelled & (split == part) & (classes == value))
                if part == "train" and len(rows) < wanted and self.per_class is not None:
                    raise SpecError(
                        "bad-value", f"{_WHERE}: {self.per_class} of each class, but one has only {len(rows)} rows"
                    )
                kept[random.permutation(rows)[:wanted]] = True
        return labelled & ~kept

    def _shares(self, split: np.ndarray, labelled: np.ndarray) -> dict[str, int]:
        """How many labels each part keeps, a class or in all."""
        wanted = self.per_class or self.count or 0
        valid = int((labelled & (split == "valid")).sum())
        share = round(wanted * valid / max(int(labelled.sum()), 1)) if valid else 0
        return {"train": wanted - share, "valid": share}

    def _classes(self, raw: Raw) -> np.ndarray:
        if self.per_class is None:
            return np.zeros(len(raw), np.int64)
        flat = isinstance(raw, np.ndarray) and raw.ndim == 1
        single = raw if isinstance(raw, pl.Series) else pl.Series(raw) if flat else None
        if single is None or single.dtype.is_nested() or single.dtype.is_float():
            raise SpecError("bad-value", f"{_WHERE}: per_class needs an answer with classes; give a number of labels")
        return single.rank("dense").fill_null(0).to_numpy().astype(np.int64)
