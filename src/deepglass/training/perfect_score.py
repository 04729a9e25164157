"""An alarm at perfect test metrics: mostly an input holds what is to be predicted."""

from collections.abc import Mapping, Sequence

import numpy as np

from deepglass.data.batches import Dataset
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output
from deepglass.metrics import share_interval
from deepglass.objectives.base import Objective, predict_dataset

MIN_ACCURACY = 0.985  # lower end of the 95 % interval of an accuracy of 1: 253 rows; fewer are seldom evidence
MIN_R2, MIN_ROWS = 0.999, 100
MAX_PERMUTED_ROWS, MAX_INPUTS, MAX_NAMED = 500, 60, 3
MIN_SHARE = 1 / 3  # of the largest loss by a permutation, for a column to be named


def perfect_scores(
    objective: Objective,
    test: Dataset,
    inputs: Sequence[Feature],
    outputs: Sequence[Output],
    scores: Mapping[str, Mapping[str, float]],
) -> list[str]:
    """A sentence for each output of a table that is predicted perfectly, with the columns that it is predicted from.

    Args:
        scores: metrics of each output on the test rows.
    """
    if not all(f.tabular or f.is_text for f in inputs):
        return []
    sentences = []
    for output in (o for o in outputs if o.name in scores and o.name in test.truth):
        metrics, rows = scores[output.name], int(test.truth[output.name].mask.sum())
        perfect = metrics.get("accuracy") == 1 and share_interval(rows, rows).low >= MIN_ACCURACY
        if perfect or (metrics.get("r2", 0) > MIN_R2 and rows >= MIN_ROWS):
            metric = "accuracy" if perfect else "r2"
            text = f"{output.name}: {metric} {metrics[metric]:.5g} on {rows:,} test rows is seldom honest"
            names = _important(objective, test, inputs, output, metric)
            listed = f"; it rests on {', '.join(names)}: known at prediction time? If not, ignore them" if names else ""
            sentences.append(text + listed)
    return sentences


def _important(
    objective: Objective, test: Dataset, inputs: Sequence[Feature], output: Output, metric: str
) -> list[str]:
    """Inputs whose permutation over the rows costs most of the metric, the most important first."""
    random = np.random.default_rng(0)
    rows = np.flatnonzero(test.truth[output.name].mask)
    rows = np.sort(random.permutation(rows)[:MAX_PERMUTED_ROWS])
    columns = {name: column.take(rows) for name, column in test.columns.items()}
    truth, order = test.truth[output.name].take(rows), random.permutation(len(rows))

    def value(changed: str | None) -> float:
        some = {name: column.take(order) if name == changed else column for name, column in columns.items()}
        mode = predict_dataset(objective, Dataset(some, {}, test.device), len(rows))[output.name]
        return output.score(mode, truth)[metric]

    best = value(None)
    losses = {f.name: best - value(f.name) for f in inputs[:MAX_INPUTS]}
    largest = max(losses.values(), default=0.0)
    ranked = sorted(losses, key=lambda name: -losses[name])
    return [name for name in ranked if losses[name] >= MIN_SHARE * largest > 0][:MAX_NAMED]
