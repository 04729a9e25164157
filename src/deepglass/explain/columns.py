"""Explanations of tabular rows: Shapley values, partial dependence and a counterfactual."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from deepglass.explain import shapley
from deepglass.explain.aggregate import PartAttributions
from deepglass.explain.checks import Checks, deletion_insertion, rank_correlation
from deepglass.explain.counterfactual import (
    MAX_CANDIDATES,
    NUM_GRID_VALUES,
    Flipped,
    distinct_values,
    find_counterfactual,
    partial_dependence,
)
from deepglass.explain.explanation import Explanation
from deepglass.explain.row import ExplainedRow
from deepglass.features.base import Feature
from deepglass.nn.explanation_targets import LOG_ODDS
from deepglass.nn.tokens import Field

MAX_COLUMNS = 256  # of more, gradients are taken
NUM_DEPENDENCES = 3  # columns with a partial dependence, those with the largest attributions
NUM_REPLACEMENTS = 64  # background rows that replace removed columns in deletion and insertion


def is_tabular(inputs: Sequence[Feature]) -> bool:
    """Whether all inputs are columns of a table; a single vector or set is explained by its entries instead."""
    entries = len(inputs) == 1 and inputs[0].has_entries
    return all(f.tabular for f in inputs) and len(inputs) <= MAX_COLUMNS and not entries


def can_vary(inputs: Sequence[Feature]) -> bool:
    """Whether columns can be varied one by one at little cost: there are some, alone or beside texts."""
    cheap = all(f.tabular or f.is_text for f in inputs) and len(inputs) <= MAX_COLUMNS
    return cheap and any(f.tabular for f in inputs) and len(inputs) > 1


def shapley_explanations(row: ExplainedRow, checks: bool = True) -> list[Explanation]:
    """One explanation per output, by Shapley values.

    Args:
        checks: whether their faithfulness is tested.
    """
    reference = row.reference
    columns = {f.name: f.column for f in reference.predictor.inputs}
    names = list(columns)
    result = shapley.shapley_values(row.scores, row.fields, reference.background_fields, names)
    exact = "exact" if result.exact else "sampled"
    method = f"{exact} Shapley values, baseline: {reference.background.description}"
    values = tuple(row.raw.get(column) for column in columns.values())
    explanations = []
    for name in row.targets:
        part = row.slices[name]
        attributions = PartAttributions(tuple(names), result.values[part], values, errors=result.errors(part))
        explanation = row.explanation(name, method, result.completeness, attributions.of)
        gap = result.completeness.of(part).total_gap()
        tested = _checks(row, part, result, names, gap) if checks else Checks(gap)
        explanations.append(add_what_if(row, replace(explanation, checks=tested)))
    return explanations


def add_what_if(row: ExplainedRow, explanation: Explanation) -> Explanation:
    """Add the partial dependence of the most important columns, and the smallest change that flips the prediction.

    Without training rows, the explanation stays as it is.
    """
    reference, name = row.reference, explanation.output
    if reference.rows is None:
        return explanation
    table, fields = reference.rows.table, reference.fields(reference.rows.inputs)
    features = {f.name: f for f in reference.predictor.inputs if f.tabular and f.column in table.columns}
    raw = {n: table[f.column] for n, f in features.items()}
    part = row.slices[name]
    largest = [p.name for p in sorted(explanation.parts, key=lambda p: -abs(p.weight)) if p.name in raw]
    lines = []
    for column in largest[:NUM_DEPENDENCES]:
        values = distinct_values(features[column], fields[column], raw[column], NUM_GRID_VALUES)
        if len(values.raw) > 1:
            line = partial_dependence(
                lambda inputs: row.scores(inputs)[:, part], reference.background_fields, column, values
            )
            lines.append(line._replace(answers=_readable(line.answers, row.targets[name].unit)))
    explanation = replace(explanation, dependence=tuple(lines))
    flipped = _flipped(row, name)
    if flipped is None:
        return explanation
    candidates = {n: distinct_values(features[n], fields[n], raw[n], MAX_CANDIDATES) for n in raw}
    own = {n: row.raw.get(features[n].column) for n in raw}
    change = find_counterfactual(flipped, row.fields, own, candidates, features)
    if change is None:
        return explanation
    counterfactual, inputs = change
    answer = row.answers_for(inputs)[name]["value"]
    if answer == row.answers[name]["value"]:  # it reads the same
        return explanation
    return replace(explanation, counterfactual=counterfactual._replace(answer=answer))


def _checks(row: ExplainedRow, part: slice, result: shapley.ShapleyValues, names: list[str], gap: float) -> Checks:
    background = row.reference.background_fields
    randomized = shapley.shapley_values(
        lambda inputs: row.scores(inputs, row.reference.randomized), row.fields, background, names
    )
    weights = result.values[part].sum(0)
    count = min(NUM_REPLACEMENTS, len(background[names[0]].mask))

    def score(keep: Tensor) -> np.ndarray:
        index = torch.arange(count).repeat(len(keep))
        coalitions = keep.repeat_interleave(count, 0)
        scores = shapley.coalition_scores(row.scores, row.fields, background, names, coalitions, index)
        return scores[:, part].sum(1).reshape(len(keep), count).mean(1)

    correlation = rank_correlation(weights, randomized.values[part].sum(0))
    return Checks(gap, correlation, **deletion_insertion(score, weights))


def _readable(scores: list[float], unit: str) -> list[float]:
    """Log-odds as probabilities, other units unchanged."""
    if unit != LOG_ODDS:
        return [round(score, 6) for score in scores]
    return [round(float(1 / (1 + np.exp(-score))), 6) for score in np.clip(scores, -500, 500)]


def _flipped(row: ExplainedRow, name: str) -> Flipped | None:
    """Whether variants of the row get another class, or a number outside of the row's interval; else None."""
    output, answer = row.output(name), row.answers[name]
    if output.has_classes:
        own = row.classify(row.fields, name)[1]

        def other_class(inputs: Mapping[str, Field]) -> tuple[Tensor, Tensor]:
            scores, classes = row.classify(inputs, name)
            return torch.from_numpy(classes != own), -scores

        return other_class
    interval = output.interval(answer)
    if interval is None:
        return None
    low, high = interval

    def outside(inputs: Mapping[str, Field]) -> tuple[Tensor, Tensor]:
        with torch.inference_mode():
            scores = row.scores(inputs)[:, row.slices[name]][:, 0]
        distance = torch.maximum(scores - high, low - scores)
        return distance > 0, distance

    return outside
