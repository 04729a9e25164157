"""Paired comparison of the network with its baselines on the test rows."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deepglass.features.base import Column
from deepglass.features.outputs._intervals import RegressionOutput
from deepglass.features.outputs.base import Calibration, Output, PredictionArrays
from deepglass.features.outputs.tags import TagsOutput
from deepglass.metrics.paired import PairedTest, SampleStats, compare_errors, compare_means, compare_shares
from deepglass.report.output_facts import Baseline

COSTS = ("rows", "steps", "seconds")  # of a baseline, among its metrics in metrics.json
PREFIX = "paired_"  # of the fields of `PairedTest` among a baseline's values in metrics.json

Compare = Callable[[PredictionArrays, Column], dict[str, float]]


def comparison_with(
    output: Output, network: Mapping[str, PredictionArrays], calibration: Mapping[str, Calibration]
) -> Compare:
    """A function of a baseline's predictions and the truth that compares it with the network by the main metric.

    It returns the fields of `PairedTest` by their names in metrics.json, for numbers in units of R²; {} for outputs
    whose main metric is no mean over rows, and without test rows.

    Args:
        network: output name -> the network's predictions for the test rows.
    """

    def compare(baseline: PredictionArrays, truth: Column) -> dict[str, float]:
        own = network.get(output.name)
        test = None if own is None else _test(output, own, baseline, truth, calibration.get(output.name, {}))
        return {} if test is None else _stored(test)

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
    return _stored(compare_means(first, second)) if min(first.size, second.size) > 1 else {}


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


def _stored(test: PairedTest) -> dict[str, float]:
    """The finite fields of a test by their names in metrics.json."""
    return {f"{PREFIX}{name}": value for name, value in test._asdict().items() if np.isfinite(value)}


def _paired_test(values: Mapping[str, float]) -> PairedTest | None:
    """The comparison among a baseline's values in metrics.json; None without one."""
    fields = {name: values.get(f"{PREFIX}{name}", float("nan")) for name in PairedTest._fields}
    return PairedTest(**fields) if f"{PREFIX}p_value" in values else None


def _test(
    output: Output, network: PredictionArrays, baseline: PredictionArrays, truth: Column, calibration: Calibration
) -> PairedTest | None:
    if truth.weight is not None:  # the test is one of rows that count alike
        return None
    if output.has_classes and "log_probs" in network and truth.offsets is None:
        labelled = truth.mask & (truth.values.reshape(-1) > 0)
        labels = truth.values.reshape(-1).astype(np.int64) - 1
        first = (output.predicted_classes(network, calibration) == labels)[labelled]
        second = (output.predicted_classes(baseline) == labels)[labelled]
        return compare_shares(first, second) if len(first) else None
    if isinstance(output, TagsOutput):
        first, second = (_wrong_words(output, mode, truth) for mode in (network, baseline))
        return compare_errors(first, second) if len(first) == len(second) > 0 else None
    if isinstance(output, RegressionOutput) and "mask" not in network:
        true, value = output.pairs(network, truth)
        other = output.pairs(baseline, truth)[1]
        first, second = (_relative_errors(true, v) for v in (value, other))
        return compare_errors(first, second) if len(first) else None
    return None


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
