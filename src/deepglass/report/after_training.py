"""What follows training: the baselines beside it, and the report."""

import time
from functools import partial
from pathlib import Path

from deepglass.baselines import baselines
from deepglass.baselines.labelled_only import NAME, labelled_alone
from deepglass.baselines.ngrams import NAME as NGRAMS
from deepglass.baselines.ngrams import ngrams
from deepglass.baselines.random_policy import random_policy
from deepglass.doctor.findings import FILE as FINDINGS
from deepglass.doctor.findings import read_findings, write_findings
from deepglass.objectives.next_token import NextToken
from deepglass.projection.points import TestPredictions
from deepglass.projection.projection import DEFAULT_MAP, MapOptions, predict_test_rows
from deepglass.report.data import ReportData, ReportOptions
from deepglass.report.outputs import target_of
from deepglass.report.paired_baselines import compare_returns, compare_texts, comparison_with
from deepglass.report.write import write_report
from deepglass.run.context import RunContext

BASELINE_SECONDS = 8.0  # for all outputs together, where training has no time budget
BASELINE_SHARE, MIN_BASELINE_SECONDS = 0.3, 1.5  # of a time budget, which then limits the baselines too


def add_baselines(context: RunContext, started: float, tested: TestPredictions | None = None) -> RunContext:
    """Fit the baselines on the training rows, store their test metrics and return the context with them.

    Args:
        started: `time.perf_counter()` when the command began, for the total.
        tested: the network's predictions for the test rows; None: they are computed.
    """
    data, metrics = context.data, context.metrics
    train, test = data.split_table("train"), data.split_table("test")
    scores: dict[str, dict[str, dict[str, float]]] = {}
    if data.table.environment is not None:
        name = context.experiment.objective
        random = random_policy(data.table.environment)
        scores = {name: {"random": random | compare_returns(metrics.get("test", {}).get(name, {}), random)}}
    elif isinstance(context.objective, NextToken) and len(test):
        datasets = data.datasets("cpu")
        compare_tokens = partial(compare_texts, context.objective, datasets["test"])
        counted = ngrams(context.objective, datasets["train"], datasets["test"], compare_tokens)
        scores = {context.experiment.objective: {NGRAMS: counted} if counted else {}}
    elif len(test):
        alone = labelled_alone(context)
        scored = [f for f in data.outputs if f.name in metrics.get("test", {})]  # some only condition generation
        weights = [data.weights(data.rows(split)) for split in ("train", "test")]
        share = _baseline_seconds(context.plan.budget) / max(len(scored), 1)
        if tested is None:
            tested = predict_test_rows(context, batch_size=context.plan.evaluation_batch_size)  # as when it was tested
        for output in scored:
            beside = {NAME: alone[output.name]} if output.name in alone else {}
            own_truth = target_of(output, data, data.rows("test")) if type(output).dense else None
            compare = comparison_with(output, tested.best, context.calibration, own_truth)
            scores[output.name] = {**beside, **baselines(train, test, data.inputs, output, share, compare, weights)}
    seconds = {**metrics["seconds"], "total": round(time.perf_counter() - started, 3)}
    metrics = {**metrics, "baselines": {n: s for n, s in scores.items() if s}, "seconds": seconds}
    context.folder.store_metrics(metrics)
    return context.with_metrics(metrics)


def _baseline_seconds(budget: float | None) -> float:
    """Seconds for the baselines of all outputs, by the time budget of training: a rule, not a clock."""
    if budget is None:
        return BASELINE_SECONDS
    return min(BASELINE_SECONDS, max(MIN_BASELINE_SECONDS, BASELINE_SHARE * budget))


def add_report(context: RunContext, tested: TestPredictions | None = None) -> None:
    """Write the report, and the findings of the predictions beside those from before training.

    Args:
        tested: predictions for the test rows; None: they are computed.
    """
    report = ReportData(context, tested=tested)
    write_report(report, context.path / "report.html")
    try:
        findings = report.findings
    except Exception:  # their section in the report says why they cannot be computed
        return
    if findings and findings != read_findings(context.folder):
        with context.folder.rewriting(FINDINGS):
            write_findings(context.folder, findings)


def rewrite_report(
    context: RunContext,
    samples: bool = True,
    wish: MapOptions = DEFAULT_MAP,
    pair: tuple[str, str] | None = None,
    path: Path | None = None,
) -> Path:
    """Write the report of a finished run and return its path.

    Args:
        samples: False leaves out whatever shows single rows or their values; class names stay.
        wish: layout of the map, and the layer whose space it shows.
        pair: columns whose decision boundary is drawn; None: the most informative ones.
        path: where to; None: report.html of the run folder.
    """
    path = path or context.path / "report.html"
    write_report(ReportData(context, ReportOptions(samples, wish, pair)), path)
    return path
