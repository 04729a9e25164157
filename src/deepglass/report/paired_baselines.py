"""Paired comparison of the network with its baselines on the test rows."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from deepglass.data.batches import Dataset
from deepglass.features._alignment import pad_rows
from deepglass.features.base import Column
from deepglass.features.outputs._intervals import RegressionOutput
from deepglass.features.outputs.base import Calibration, Output, PredictionArrays
from deepglass.features.outputs.identity import IdentityOutput
from deepglass.features.outputs.sequence import SequenceOutput
from deepglass.features.outputs.tags import TagsOutput
from deepglass.metrics.paired import (
    PairedTest,
    SampleStats,
    compare_errors,
    compare_means,
    compare_scores,
    compare_shares,
)
from deepglass.objectives.next_token import NextToken
from deepglass.report.output_facts import Baseline

COSTS = ("rows", "steps", "seconds")  # of a baseline, among its metrics in metrics.json
MAX_SCORED_ROWS = 2_000  # of the test of a metric that is no mean over rows
PREFIX = "paired_"  # of the fields of `PairedTest` among a baseline's values in metrics.json

Compare = Callable[[PredictionArrays, Column], dict[str, float]]


def comparison_with(
    output: Output,
    network: Mapping[str, PredictionArrays],
    calibration: Mapping[str, Calibration],
    own_truth: Column | None = None,
) -> Compare:
    """A function of a baseline's predictions and the truth that compares it with the network by the main metric.

    It returns the fields of `PairedTest` by their names in metrics.json, for numbers in units of R²; {} for outputs of
    identities, whose metric is one of pairs, and without test rows.

    Args:
        network: output name -> the network's predictions for the test rows.
        own_truth: the targets of dense outputs in the frame of the network's predictions, which is not that of the
            baselines'; None: the same.
    """

    def compare(baseline: PredictionArrays, truth: Column) -> dict[str, float]:
        own = network.get(output.name)
        fitted, truths = calibration.get(output.name, {}), (truth if own_truth is None else own_truth, truth)
        test = None if own is None else _test(output, (own, baseline), truths, fitted)
        return {} if test is None else _named(test)

    return compare


def compare_returns(agent: Mapping[str, float], random: Mapping[str, float]) -> dict[str, float]:
    """The returns of an agent compared with those of random actions, by their names in metrics.json.

    Args:
        agent, random: metrics of `environments.return_stats`; {} where the agent played no test episode.
    """
    names = ("mean_return", "return_std", "episodes")
    if not all(name in values for values in (agent, random) for name in names):
        return {}
    first, second = (SampleStats(v["mean_return"], v["return_std"], int(v["episodes"])) for v in (agent, random))
    return _named(compare_means(first, second)) if min(first.size, second.size) > 1 else {}


def compare_texts(objective: NextToken, test: Dataset, nats: Tensor) -> dict[str, float]:
    """The comparison of a language model with another one in bits per character, as `comparison_with` names it.

    The pairs are blocks of one context length of the test text.

    Args:
        nats: loss of the other model at each token but the first, (n - 1,).
    """
    own = objective.token_nats(test, MAX_SCORED_ROWS)
    if len(own) != len(nats):
        return {}
    characters = len(objective.feature.text_of(test.inputs[objective.feature.name].values[1:].tolist()))
    block = np.arange(len(own)) // objective.context_length
    scale = (block[-1] + 1) / math.log(2) / max(characters, 1)
    first, second = (np.bincount(block, model.double().numpy()) * scale for model in (own.cpu(), nats.cpu()))
    return _named(compare_errors(first, second))


def _named(test: PairedTest) -> dict[str, float]:
    """The fields of a test by their names in metrics.json."""
    return {f"{PREFIX}{name}": value for name, value in test._asdict().items() if np.isfinite(value)}


def stored_baselines(metrics: Mapping[str, Any], output: str) -> dict[str, Baseline]:
    """The baselines of an output as metrics.json has them: name -> baseline."""
    return {
        name: Baseline(
            {m: v for m, v in values.items() if m not in COSTS and not m.startswith(PREFIX)},
            values.get("rows"),
            values.get("seconds"),
            _paired_test(values),
        )
        for name, values in metrics.get("baselines", {}).get(output, {}).items()
    }


def _paired_test(values: Mapping[str, float]) -> PairedTest | None:
    """The comparison among a baseline's values in metrics.json; None without one."""
    fields = {name: values.get(f"{PREFIX}{name}", float("nan")) for name in PairedTest._fields}
    return PairedTest(**fields) if f"{PREFIX}p_value" in values else None


def _test(
    output: Output, modes: tuple[PredictionArrays, PredictionArrays], truths: tuple[Column, Column], fitted: Calibration
) -> PairedTest | None:
    """The test of the network's and the baseline's predictions, each with the targets in its frame."""
    (network, baseline), truth = modes, truths[1]
    if truth.weight is not None:  # the test is one of rows that count alike
        return None
    if output.has_classes and "log_probs" in network and truth.offsets is None:
        labelled = truth.mask & (truth.values.reshape(-1) > 0)
        labels = truth.values.reshape(-1).astype(np.int64) - 1
        first = (output.predicted_classes(network, fitted) == labels)[labelled]
        second = (output.predicted_classes(baseline) == labels)[labelled]
        return compare_shares(first, second) if len(first) else None
    if isinstance(output, TagsOutput):
        first, second = (_wrong_words(output, mode, truth) for mode in (network, baseline))
        return compare_errors(first, second) if len(first) == len(second) > 0 else None
    if isinstance(output, SequenceOutput):
        return _compare_steps(network, baseline, truth)
    if isinstance(output, RegressionOutput):
        first, second = (_relative_errors(*output.pairs(mode, truth)) for mode in (network, baseline))
        return compare_errors(first, second) if len(first) else None
    if isinstance(output, IdentityOutput):  # its metric is one of pairs of rows
        return None
    return _compare_metric(output, modes, truths, fitted)


def _compare_metric(
    output: Output, modes: tuple[PredictionArrays, PredictionArrays], truths: tuple[Column, Column], fitted: Calibration
) -> PairedTest | None:
    """The test of the main metric as `output.score` computes it of some rows."""
    labelled = np.flatnonzero(truths[0].mask & truths[1].mask)
    if len(labelled) > MAX_SCORED_ROWS:
        labelled = np.sort(np.random.default_rng(0).choice(labelled, MAX_SCORED_ROWS, replace=False))
    if not len(labelled):
        return None
    counted = []
    for mode, truth in zip(modes, truths, strict=True):
        rows = {name: values[labelled] for name, values in mode.items()}
        values, target = output.for_scoring(rows, truth.take(labelled))
        counted.append(values)
    both = {name: _beside(counted[0][name], counted[1][name]) for name in counted[1]}
    metric = output.metric.name

    def score(index: np.ndarray) -> float:
        rows = {name: values[index] for name, values in both.items()}
        return output.score(rows, target.take(index % len(labelled)), fitted).get(metric, float("nan"))

    return compare_scores(score, len(labelled), output.metric.higher_is_better is not False)


def _beside(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The rows of both, (2 N, ...), padded with zeros to the larger shape."""
    longer = [max(sizes) for sizes in zip(first.shape[1:], second.shape[1:], strict=True)]
    padded = [
        np.pad(a, [(0, 0), *((0, n - m) for n, m in zip(longer, a.shape[1:], strict=True))]) for a in (first, second)
    ]
    return np.concatenate(padded)


def _wrong_words(output: TagsOutput, mode: PredictionArrays, truth: Column) -> np.ndarray:
    """Words of each sentence with a wrong tag, by the mean number of words; its mean is 1 - accuracy. (N,)"""
    log_probs, labels, rows = output.words_of(mode, truth)
    present, index, words = np.unique(rows, return_inverse=True, return_counts=True)
    wrong = np.bincount(index, log_probs.argmax(1) != labels, len(present))
    return wrong / words.mean() if len(words) else wrong


def _relative_errors(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Squared error of each row by the variance of the target; its mean is 1 - R².

    Shapes:
        truth, predicted: (N,) or (N, D). Returns (N,).
    """
    truth, predicted = (v.astype(np.float64).reshape(len(v), -1) for v in (truth, predicted))
    variance = truth.var(0)
    varies = variance > 0
    if not varies.any():
        return np.zeros(0)
    return ((truth - predicted)[:, varies] ** 2 / variance[varies]).mean(1)


def _compare_steps(network: PredictionArrays, baseline: PredictionArrays, truth: Column) -> PairedTest | None:
    """The test of sequences by `_relative_errors` of the steps that both predict, summed over each row."""
    length = min(network["mask"].shape[1], baseline["mask"].shape[1])
    values, mask = pad_rows(truth, length)
    rows, steps = np.nonzero(mask & network["mask"][:, :length] & baseline["mask"][:, :length])
    complete = ~np.isnan(values[rows, steps]).any(1)
    rows, steps = rows[complete], steps[complete]
    errors = [_relative_errors(values[rows, steps], mode["value"][rows, steps]) for mode in (network, baseline)]
    if not len(errors[0]):
        return None
    present, index = np.unique(rows, return_inverse=True)
    first, second = (np.bincount(index, e) * len(present) / len(rows) for e in errors)
    return compare_errors(first, second)
