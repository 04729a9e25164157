"""Label budget: hides labels, to measure what semi-supervised learning gains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from deepglass.data.missing import is_null
from deepglass.errors import SpecError
from deepglass.features.base import Raw

_WHERE = "data.num_labels"


@dataclass(frozen=True)
class LabelBudget:
    """Number of labels to keep outside the test rows, in all or per class.

    Args:
        count: labels in all.
        per_class: labels of each class.

    Raises:
        SpecError: `bad-value` unless one of the two is given, above 0.
    """

    count: int | None = None
    per_class: int | None = None

    def __post_init__(self) -> None:
        values = [v for v in (self.count, self.per_class) if v is not None]
        if len(values) != 1 or isinstance(values[0], bool) or not isinstance(values[0], int) or values[0] < 1:
            raise SpecError("bad-value", f"{_WHERE}: expected a number of labels above 0, or {{per_class: 10}}")

    @staticmethod
    def of(value: int | Mapping[str, int]) -> LabelBudget:
        """From the value in a spec."""
        if isinstance(value, Mapping):
            if set(value) != {"per_class"}:
                raise SpecError("bad-value", f"{_WHERE}: expected a number or {{per_class: 10}}, got {dict(value)}")
            return LabelBudget(per_class=value["per_class"])
        return LabelBudget(count=value)

    def hidden(self, raw: Raw, split: np.ndarray, seed: int) -> np.ndarray:
        """Mask of the rows whose label is hidden, (N,) bool; test rows keep theirs.

        The budget is shared by training and validation rows in proportion to their numbers, so that model selection
        uses no labels beyond it.

        Args:
            raw: the target column, (N,).
            split: (N,) of "train", "valid", "test", "".
            seed: of the choice.

        Raises:
            SpecError: `bad-value` if `per_class` is used for a target without classes, or a class has too few rows.
        """
        labelled = ~is_null(raw) & np.isin(split, ("train", "valid"))
        classes = self._classes(raw)
        random = np.random.default_rng(seed)
        labels = np.zeros(len(split), bool)
        for value in np.unique(classes[labelled]):
            for name, budget in self._budgets(split, labelled).items():
                rows = np.flatnonzero(labelled & (split == name) & (classes == value))
                if name == "train" and len(rows) < budget and self.per_class is not None:
                    text = f"expected at least {self.per_class} rows of each class, got a class of {len(rows)}"
                    raise SpecError("bad-value", f"{_WHERE}: {text}")
                labels[random.permutation(rows)[:budget]] = True
        return labelled & ~labels

    def _budgets(self, split: np.ndarray, labelled: np.ndarray) -> dict[str, int]:
        """Labels to keep in training and validation rows, per class or in all."""
        total = self.per_class or self.count or 0
        valid = int((labelled & (split == "valid")).sum())
        share = round(total * valid / max(int(labelled.sum()), 1)) if valid else 0
        return {"train": total - share, "valid": share}

    def _classes(self, raw: Raw) -> np.ndarray:
        if self.per_class is None:
            return np.zeros(len(raw), np.int64)
        if isinstance(raw, np.ndarray) and raw.ndim == 1:
            raw = pl.Series(raw)
        if not isinstance(raw, pl.Series) or raw.dtype.is_nested() or raw.dtype.is_float():
            raise SpecError("bad-value", f"{_WHERE}: per_class needs a target with classes; give a number of labels")
        return raw.rank("dense").fill_null(0).to_numpy().astype(np.int64)
