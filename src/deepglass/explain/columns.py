"""Rows of a table explained: a share for each column, how answers go with the telling ones, what would turn them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepglass.explain import counterfactual as turning
from deepglass.explain import shapley
from deepglass.explain.aggregate import Named, Part
from deepglass.explain.checks import Checks, deletion_insertion, rank_correlation
from deepglass.explain.explanation import Explanation, TargetExplanation
from deepglass.explain.gradients import relative_gap
from deepglass.explain.reason import finite
from deepglass.explain.reference import COLUMN_KINDS
from deepglass.explain.row import Row
from deepglass.features.base import Feature
from deepglass.nn.tokens import Field

MOST = 256  # columns; of more, gradients are taken
TOP = 3  # columns whose dependence is told
AVERAGED = 64  # rows of the background by which columns are replaced in deletion and insertion


def suits(inputs: Sequence[Feature]) -> bool:
    """Whether a run reads columns alone; a single vector or set is explained by its entries."""
    alone = len(inputs) == 1 and inputs[0].kind in ("vector", "set")
    return all(f.kind in COLUMN_KINDS for f in inputs) and len(inputs) <= MOST and not alone


def changeable(inputs: Sequence[Feature]) -> bool:
    """Whether columns of a run can be changed one by one, at little cost: there are some, alone or beside texts."""
    some = any(f.kind in COLUMN_KINDS for f in inputs) and len(inputs) > 1
    return some and all(f.kind in (*COLUMN_KINDS, "text") for f in inputs) and len(inputs) <= MOST


def reasons(one: Row, tested: bool = True) -> list[Explanation]:
    """One explanation per output, by Shapley values.

    Args:
        tested: whether they are checked.
    """
    reference = one.reference
    features = {f.name: f for f in reference.predictor.inputs}
    names = list(features)
    others = reference.background_fields
    row = one.data.batch(torch.tensor([one.place])).inputs
    found = shapley.shares(one.figures, row, others, names)
    how = f"{'exact' if found.exact else 'sampled'} Shapley values, beside {reference.background.description}"
    values = tuple(one.raw.get(f.column) for f in features.values())
    result = []
    for name, asked in one.asked.items():
        part = one.slices[name]
        named = Named(tuple(names), found.shares[part], values)
        total = named.of(None)
        error = np.sqrt(np.square(found.error[part]).sum(0)) if not found.exact else [None] * len(names)
        parts = tuple(p._replace(error=None if e is None else float(e)) for p, e in zip(total, error, strict=True))
        ends = [x[part] for x in (found.score, found.base, found.gap)]
        asks = tuple(
            TargetExplanation(n, float(s), finite(b), finite(g), tuple(named.of(q)))
            for q, (n, s, b, g) in enumerate(zip(asked.names, *ends, strict=True))
        )
        further = changes(one, name, parts)
        further["checks"] = _checks(one, part, row, others, names, found, tested)
        kind = one.output(name).kind
        result.append(Explanation(one.place, name, kind, one.answers[name], asked.unit, how, parts, asks, **further))
    return result


def _checks(
    one: Row,
    part: slice,
    row: Mapping[str, Field],
    others: Mapping[str, Field],
    names: list[str],
    found: Any,
    tested: bool,
) -> Checks:
    sums = [np.array([x[part].sum()]) for x in (found.gap, found.score, found.base)]
    gap = float(relative_gap(*sums)[0])
    if not tested:
        return Checks(gap)
    other = one.reference.randomized
    blind = shapley.shares(lambda inputs: one.figures(inputs, other), row, others, names)
    weights = found.shares[part].sum(0)
    count = min(AVERAGED, len(others[names[0]].mask))

    def asked(keep: Tensor) -> np.ndarray:
        places = torch.arange(count).repeat(len(keep))
        figures = shapley.figures_of(one.figures, row, others, names, keep.repeat_interleave(count, 0), places)
        return figures[:, part].sum(1).reshape(len(keep), count).mean(1)

    return Checks(gap, rank_correlation(weights, blind.shares[part].sum(0)), **deletion_insertion(asked, weights))


def changes(one: Row, name: str, parts: Sequence[Part]) -> dict[str, Any]:
    """Partial dependence of the telling columns, and the smallest change that turns the answer."""
    reference = one.reference
    known = reference.known
    if known is None:
        return {}
    features = {f.name: f for f in reference.predictor.inputs if f.kind in COLUMN_KINDS}
    row = one.data.batch(torch.tensor([one.place])).inputs
    others = reference.background_fields
    fields = reference.fields(known.inputs)
    raw = {n: known.table[f.column] for n, f in features.items() if f.column in known.table.columns}
    part = one.slices[name]
    answered = lambda inputs: one.figures(inputs)[:, part]  # noqa: E731
    top = [p.name for p in sorted(parts, key=lambda p: -abs(p.weight)) if p.name in raw][:TOP]
    found = []
    for column in top:
        values = turning.values_of(features[column], fields[column], raw[column], turning.GRID)
        if len(values.raw) > 1:
            line = turning.dependence(answered, others, column, values)
            found.append(line._replace(answers=_shown(line.answers, one.asked[name].unit)))
    turned = _turned(one, name, part)
    if turned is None:
        return {"dependence": tuple(found)}
    candidates = {n: turning.values_of(features[n], fields[n], raw[n], turning.CANDIDATES) for n in raw}
    own = {n: one.raw.get(features[n].column) for n in raw}
    change = turning.turn(turned, row, own, candidates, features)
    return {"dependence": tuple(found), "turn": None if change is None else _answered(one, name, *change)}


def _answered(one: Row, name: str, change: turning.Turn, row: Mapping[str, Field]) -> turning.Turn | None:
    """The change with the answer that it brings; None where that is the old one."""
    answer = one.answer_to(row)[name]["value"]
    return None if answer == one.answers[name]["value"] else change._replace(answer=answer)


def _shown(figures: list[float], unit: str) -> list[float]:
    """Log-odds as probabilities."""
    if unit != "log-odds":
        return [round(f, 6) for f in figures]
    return [round(float(1 / (1 + np.exp(-f))), 6) for f in np.clip(figures, -500, 500)]


def _turned(one: Row, name: str, part: slice) -> Callable[[Mapping[str, Field]], tuple[Tensor, Tensor]] | None:
    """Whether variants of the row are answered otherwise: another class, or a number outside of the row's interval."""
    feature, answer = one.output(name), one.answers[name]
    calibration = one.reference.predictor.calibration.get(name, {})
    if feature.kind == "binary":
        limit = float(np.clip(calibration.get("threshold", 0.5), 1e-6, 1 - 1e-6))
        at = float(np.log(limit / (1 - limit))) * (1 if answer["probability"] >= limit else -1)

        def binary(inputs: Mapping[str, Field]) -> tuple[Tensor, Tensor]:
            with torch.inference_mode():
                figures = one.figures(inputs)[:, part][:, 0]
            return figures < at, -figures

        return binary
    if feature.kind == "category":
        own = one.likeliest(one.data.batch(torch.tensor([one.place])).inputs, name)

        def classes(inputs: Mapping[str, Field]) -> tuple[Tensor, Tensor]:
            with torch.inference_mode():
                figures = one.figures(inputs)[:, part][:, 0]
            return one.likeliest(inputs, name) != own, -figures

        return classes
    if feature.kind != "number":
        return None
    reach = getattr(feature, "std_", 1.0)
    low, high = answer.get("low", answer["value"] - reach), answer.get("high", answer["value"] + reach)

    def numbers(inputs: Mapping[str, Field]) -> tuple[Tensor, Tensor]:
        with torch.inference_mode():
            figures = one.figures(inputs)[:, part][:, 0]
        outside = torch.maximum(figures - high, low - figures)
        return outside > 0, outside

    return numbers
