"""Partial dependence and counterfactuals of tabular rows.

Source: Friedman, 2001, Annals of Statistics 29, section 8.2 (partial dependence); Wachter et al., 2017, arXiv
1711.00399 (counterfactual explanations). Ours only tries values that training rows have, and searches greedily.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from deepglass.explain.shapley import BATCH, Inputs, Score
from deepglass.features.base import Feature, Raw
from deepglass.nn.tokens import Field

NUM_GRID_VALUES = 12  # of a column, for partial dependence
MAX_CANDIDATES = 32  # values of a column that are tried
MAX_CHANGES = 3  # columns of a counterfactual
MAX_BACKGROUND = 64  # training rows that partial dependence averages over

Flipped = Callable[[Inputs], tuple[Tensor, Tensor]]
"""Inputs of B rows -> whether the prediction differs from the row's, (B,) bool, and closeness to that, (B,)."""


class Dependence(NamedTuple):
    """Partial dependence: the mean prediction of training rows with a column set to each value."""

    column: str
    values: list[Any]
    answers: list[float]


class Counterfactual(NamedTuple):
    """The smallest change that flips the prediction.

    Args:
        before, after: column name -> value.
        size: the sum over columns, of standard deviations for a number and 1 for another class.
        answer: the prediction after the change.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    size: float
    answer: Any = None


class Values(NamedTuple):
    """Values of a column that training rows have, encoded and as the user wrote them."""

    field: Field
    raw: list[Any]


def distinct_values(feature: Feature, field: Field, raw: Raw, max_values: int) -> Values:
    """Distinct values of a column: quantiles of an ordered kind, the most frequent of others.

    Args:
        field: encoded rows.
        raw: the same rows as the user wrote them.
    """
    present = torch.nonzero(field.mask)[:, 0].cpu().numpy()
    flat = field.values.reshape(len(field.values), -1).double().cpu().numpy()[present]
    if not len(present):
        return Values(field.take(torch.zeros(0, dtype=torch.int64)), [])
    _, first, counts = np.unique(flat, axis=0, return_index=True, return_counts=True)
    if len(first) > max_values and not feature.ordered:
        first = first[np.sort(np.argsort(-counts, kind="stable")[:max_values])]
    elif len(first) > max_values:
        order = np.repeat(first, counts)
        first = np.unique(order[np.linspace(0, len(order) - 1, max_values).astype(int)])
        first = first[np.argsort(flat[first, 0], kind="stable")]
    rows = present[first]
    return Values(field.take(torch.from_numpy(rows).to(field.mask.device)), [raw[int(i)] for i in rows])


def partial_dependence(score: Score, background: Inputs, name: str, values: Values) -> Dependence:
    """The mean of the first target over background rows, with the column set to each of the values."""
    rows, count = min(MAX_BACKGROUND, len(background[name].mask)), len(values.raw)
    repeated = {n: f.take(torch.arange(rows, device=f.mask.device).repeat(count)) for n, f in background.items()}
    each = torch.arange(count, device=values.field.mask.device).repeat_interleave(rows)
    repeated[name] = values.field.take(each)
    with torch.inference_mode():
        scores = torch.cat([score(batch)[:, 0] for batch in _batches(repeated)])
    means = scores.double().view(count, rows).mean(1)
    return Dependence(name, values.raw, means.cpu().tolist())


def find_counterfactual(
    flipped: Flipped, row: Inputs, own: Mapping[str, Any], values: Mapping[str, Values], features: Mapping[str, Feature]
) -> tuple[Counterfactual, Inputs] | None:
    """The smallest change of one to three columns that flips the prediction, and the changed row.

    A greedy search: the column that flips the prediction at the smallest change, else the one that brings the row
    closest to a flip. None where `MAX_CHANGES` columns are not enough.

    Args:
        own: the row's values as the user wrote them.
    """
    changed: dict[str, Any] = {}
    sizes: dict[str, float] = {}
    original = row
    for _ in range(MAX_CHANGES):
        names = [n for n, v in values.items() if n not in changed and v.raw]
        if not names:
            return None
        results = [flipped(batch) for batch in _batches(_variants(row, names, values))]
        flips = torch.cat([r[0] for r in results]).cpu().numpy()
        closeness = torch.cat([r[1] for r in results]).double().cpu().numpy()
        column = np.repeat(names, [len(values[n].raw) for n in names])
        index = np.concatenate([np.arange(len(values[n].raw)) for n in names])
        size = np.concatenate([_change_size(features[n], row[n], values[n]) for n in names])
        closeness = np.where(size > 0, closeness, -np.inf)
        flips &= size > 0
        best = int(np.where(flips, size, np.inf).argmin()) if flips.any() else int(closeness.argmax())
        name, k = str(column[best]), int(index[best])
        changed[name], sizes[name] = values[name].raw[k], float(size[best])
        row = {**row, name: values[name].field.take(torch.tensor([k], device=row[name].mask.device))}
        if flips.any():
            row, needed = _prune(flipped, original, row, list(changed))
            before, after = {n: own.get(n) for n in needed}, {n: changed[n] for n in needed}
            return Counterfactual(before, after, round(sum(sizes[n] for n in needed), 4)), row
    return None


def _prune(flipped: Flipped, original: Inputs, row: Inputs, changed: list[str]) -> tuple[Inputs, list[str]]:
    """The changed row without unnecessary changes, and the names of the others; the last one is always needed."""
    for name in changed[:-1]:
        without = {**row, name: original[name]}
        if bool(flipped(without)[0][0]):
            row, changed = without, [n for n in changed if n != name]
    return row, changed


def _variants(row: Inputs, names: Sequence[str], values: Mapping[str, Values]) -> dict[str, Field]:
    """The row once for each value of each column."""
    counts = [len(values[n].raw) for n in names]
    total = sum(counts)
    zero = torch.zeros(total, dtype=torch.int64)
    result = {n: f.take(zero.to(f.mask.device)) for n, f in row.items()}
    start = 0
    for name, count in zip(names, counts, strict=True):
        field = result[name]
        new, mask = field.values.clone(), field.mask.clone()
        new[start : start + count] = values[name].field.values
        mask[start : start + count] = values[name].field.mask
        result[name] = Field(new, mask)
        start += count
    return result


def _change_size(feature: Feature, own: Field, values: Values) -> np.ndarray:
    """`Feature.change_size` from the row's value to each candidate; 1 from a missing value."""
    if not bool(own.mask[0]):
        return np.ones(len(values.raw))
    before = own.values.reshape(1, -1).double().cpu().numpy()
    after = values.field.values.reshape(len(values.raw), -1).double().cpu().numpy()
    return feature.change_size(before, after)


def _batches(inputs: Inputs) -> list[dict[str, Field]]:
    count = len(next(iter(inputs.values())).mask)
    chunks = torch.arange(count).split(BATCH)
    return [{n: f.take(rows.to(f.mask.device)) for n, f in inputs.items()} for rows in chunks]
