"""Tables: how the answer goes with one column, and the smallest change that turns it.

Source: Friedman, 2001, Annals of Statistics 29, section 8.2 (partial dependence); Wachter et al., 2017, arXiv
1711.00399 (the nearest row that would be answered otherwise), here over values that training rows really have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from deepglass.explain.shapley import AT_ONCE, Answered, Inputs
from deepglass.features.base import Feature, Raw
from deepglass.nn.tokens import Field

GRID = 12  # values a column
CANDIDATES = 32  # values a column that a change may bring
DEEPEST = 3  # columns that a change may touch
ROWS = 64  # training rows whose answers are averaged

Turned = Callable[[Inputs], tuple[Tensor, Tensor]]
"""Inputs of B rows -> whether the answer is another one (B,) bool, and how near it is to that (B,), more is nearer."""


class Dependence(NamedTuple):
    """The mean answer of training rows, a column of theirs set to each value."""

    column: str
    values: list[Any]
    answers: list[float]


class Turn(NamedTuple):
    """Columns with the value that they have and the one that would turn the answer, and the answer then."""

    before: dict[str, Any]
    after: dict[str, Any]
    cost: float
    answer: Any = None


class Values(NamedTuple):
    """Values of a column that training rows have: as they are encoded, and as the user wrote them."""

    field: Field
    raw: list[Any]


def values_of(feature: Feature, field: Field, raw: Raw, most: int) -> Values:
    """Different values that occur, at most so many, spread over all of them.

    Args:
        field: encoded; raw: the same rows as the user wrote them.
    """
    known = torch.nonzero(field.mask)[:, 0].cpu().numpy()
    flat = field.values.reshape(len(field.values), -1).double().cpu().numpy()[known]
    if not len(known):
        return Values(field.take(torch.zeros(0, dtype=torch.int64)), [])
    _, first, counts = np.unique(flat, axis=0, return_index=True, return_counts=True)
    if len(first) > most and feature.kind in ("category", "binary", "set"):
        first = first[np.sort(np.argsort(-counts, kind="stable")[:most])]
    elif len(first) > most:  # as often as they occur
        order = np.repeat(first, counts)
        first = np.unique(order[np.linspace(0, len(order) - 1, most).astype(int)])
        first = first[np.argsort(flat[first, 0], kind="stable")]
    rows = known[first]
    return Values(field.take(torch.from_numpy(rows).to(field.mask.device)), [raw[int(i)] for i in rows])


def dependence(answered: Answered, others: Inputs, name: str, values: Values) -> Dependence:
    """The mean figure (of the first question) over training rows, the column set to each of the values."""
    rows = min(ROWS, len(others[name].mask))
    some = {n: f.take(torch.arange(rows, device=f.mask.device)) for n, f in others.items()}
    count = len(values.raw)
    repeated = {n: f.take(torch.arange(rows, device=f.mask.device).repeat(count)) for n, f in some.items()}
    each = torch.arange(count, device=values.field.mask.device).repeat_interleave(rows)
    repeated[name] = values.field.take(each)
    with torch.inference_mode():
        figures = torch.cat([answered(part)[:, 0] for part in _parts(repeated)])
    means = figures.double().view(count, rows).mean(1)
    return Dependence(name, values.raw, means.cpu().tolist())


def turn(
    turned: Turned, row: Inputs, own: Mapping[str, Any], values: Mapping[str, Values], features: Mapping[str, Feature]
) -> tuple[Turn, Inputs] | None:
    """The smallest change of one column after which the answer is another one, or else of two or three, and that row.

    One column at a time, the one that brings the row nearest to another answer; None where three are not enough.

    Args:
        own: the row's values as the user wrote them.
    """
    changed: dict[str, Any] = {}
    costs: dict[str, float] = {}
    given = row
    for _ in range(DEEPEST):
        names = [n for n, v in values.items() if n not in changed and v.raw]
        if not names:
            return None
        tried = _tried(row, names, values)
        parts = [turned(part) for part in _parts(tried)]
        flips = torch.cat([p[0] for p in parts]).cpu().numpy()
        nearer = torch.cat([p[1] for p in parts]).double().cpu().numpy()
        column = np.repeat(names, [len(values[n].raw) for n in names])
        place = np.concatenate([np.arange(len(values[n].raw)) for n in names])
        cost = np.concatenate([_cost(features[n], row[n], values[n]) for n in names])
        nearer = np.where(cost > 0, nearer, -np.inf)
        flips &= cost > 0
        best = int(np.where(flips, cost, np.inf).argmin()) if flips.any() else int(nearer.argmax())
        name, k = str(column[best]), int(place[best])
        changed[name], costs[name] = values[name].raw[k], float(cost[best])
        row = {**row, name: values[name].field.take(torch.tensor([k], device=row[name].mask.device))}
        if flips.any():
            row, kept = _needed(turned, given, row, list(changed))
            after = {n: changed[n] for n in kept}
            return Turn({n: own.get(n) for n in kept}, after, round(sum(costs[n] for n in kept), 4)), row
    return None


def _needed(turned: Turned, given: Inputs, row: Inputs, changed: list[str]) -> tuple[Inputs, list[str]]:
    """The changed row without changes that it does not need, and which remain; the last one is needed."""
    for name in changed[:-1]:
        without = {**row, name: given[name]}
        if bool(turned(without)[0][0]):
            row, changed = without, [n for n in changed if n != name]
    return row, changed


def _tried(row: Inputs, names: Sequence[str], values: Mapping[str, Values]) -> dict[str, Field]:
    """The row once for each value of each column."""
    counts = [len(values[n].raw) for n in names]
    total = sum(counts)
    zero = torch.zeros(total, dtype=torch.int64)
    made = {n: f.take(zero.to(f.mask.device)) for n, f in row.items()}
    start = 0
    for name, count in zip(names, counts, strict=True):
        field = made[name]
        new, mask = field.values.clone(), field.mask.clone()
        new[start : start + count] = values[name].field.values
        mask[start : start + count] = values[name].field.mask
        made[name] = Field(new, mask)
        start += count
    return made


def _cost(feature: Any, own: Field, values: Values) -> np.ndarray:
    """How large a change is: deviations of a number, 1 for another class; of more than one entry their root."""
    before = own.values.reshape(1, -1).double().cpu().numpy()
    after = values.field.values.reshape(len(values.raw), -1).double().cpu().numpy()
    different = (np.nan_to_num(before) != np.nan_to_num(after)).any(1) | ~bool(own.mask[0])
    if feature.kind in ("category", "binary", "set", "identity") or not bool(own.mask[0]):
        return different.astype(float)
    if feature.kind == "number":
        scale = np.array([feature.scale_ or 1.0])
    else:
        scale = np.array(feature.std_) if feature.kind != "date" else np.ones(before.shape[1])
    away = np.nan_to_num((after - before) / scale)
    return np.where(different, np.sqrt(np.square(away).mean(1)), 0.0)


def _parts(inputs: Inputs) -> list[dict[str, Field]]:
    count = len(next(iter(inputs.values())).mask)
    places = torch.arange(count).split(AT_ONCE)
    return [{n: f.take(p.to(f.mask.device)) for n, f in inputs.items()} for p in places]
