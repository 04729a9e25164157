"""Compares the network with the baselines by the main metric: is it worth it here?"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from deepglass.formatting import baseline_name, count, duration, finite, plural
from deepglass.metrics.paired import PairedTest
from deepglass.metrics.summaries import Figure
from deepglass.metrics.table import metric_text, metric_title
from deepglass.report.output_facts import Baseline, OutputFacts
from deepglass.report.templates import capital

SIGNIFICANCE = 0.05  # of the probability by chance that any verdict "better" or "worse" is wrong
MARGIN = 0.02  # of accuracy, R² and the like, by which a model may be worse and still be called no worse
MARGINS = {"bleu": 2.0, "psnr": 0.5}  # of metrics on another scale: of 100, and in decibels
PLURALS = ("labelled_rows_alone", "mean_boxes", "colour_and_position")  # names of baselines
NO_MODELS = ("constant", "random", "labelled_rows_alone")  # a constant, random actions, and a network of its own

Outcome = Literal["better", "no_worse", "worse", "unclear", "unknown"]


class BaselineVerdict(NamedTuple):
    """The result of the comparison.

    Args:
        outcome: "unclear" with too few rows to tell, "unknown" where nothing was compared.
        headline: a few words.
        sentence: the values that are compared, plain text.
        evidence: of it the paired test on which the outcome rests; empty where there was none.
    """

    outcome: Outcome
    headline: str
    sentence: str
    evidence: str = ""


HEADLINES: Mapping[Outcome, str] = {
    "better": "Better than the simpler models",
    "no_worse": "No worse than the simpler models",
    "worse": "Worse than a simpler model",
    "unclear": "Too few test rows to tell whether simpler models are as good",
}


def main_value(output: OutputFacts) -> Figure:
    """The main metric with its interval; NaN where it was not measured."""
    return output.test.get(output.metric.name, Figure(float("nan")))


def best_baseline(output: OutputFacts) -> str | None:
    """The name of the baseline that is best by the main metric; None where none was measured by it."""
    metric = output.metric
    measured = {n: b.metrics[metric.name] for n, b in output.baselines.items() if finite(b.metrics.get(metric.name))}
    if not measured:
        return None
    sign = 1 if metric.higher_is_better else -1
    return max(measured, key=lambda name: sign * measured[name])


def judge(
    output: OutputFacts, train_rows: int | None = None, seconds: float | None = None, shortened: bool = False
) -> BaselineVerdict:
    """Compare the network with its baselines, in pairs on the same test rows where the metric is a mean over rows.

    "Better" needs a significant difference to each simpler model, "worse" to one of them (Bonferroni), "no worse" 95 %
    intervals that exclude a loss of the margin.

    Args:
        output: the output with its baselines.
        train_rows: rows that the network was trained on, to name baselines with fewer.
        seconds: of training the network.
        shortened: whether training ended while the network still improved.
    """
    ours, name = main_value(output), best_baseline(output)
    if not finite(ours.value):
        title = capital(metric_title(output.metric.name))
        return BaselineVerdict("unknown", "Not measured", f"{title} was not measured.")
    if name is None:
        return BaselineVerdict("unknown", "No comparison", "No simpler model was measured on the same rows.")
    models = {n: b for n, b in output.baselines.items() if n not in NO_MODELS}
    sentence = _values(output, name, ours)
    if name not in NO_MODELS:
        sentence += _cost(name, output.baselines[name], train_rows, seconds)
    if not models:
        return _against_no_model(output, name, ours, sentence)
    tests = {n: b.paired for n, b in models.items() if b.paired is not None}
    if len(tests) < len(models):
        return BaselineVerdict("unknown", "No paired comparison", f"{sentence} They were not compared row by row.")
    outcome = compare_models(list(tests.values()), MARGINS.get(output.metric.name, MARGIN))
    constant = output.baselines["constant"].paired if "constant" in output.baselines else None
    if outcome != "better" and constant is not None and compare_models([constant]) != "better":
        relation = "Worse" if compare_models([constant]) == "worse" else "Not shown to be better"
        evidence, text = _test_text(output, "constant", constant), f"{relation} than a constant prediction"
        return BaselineVerdict("worse" if outcome == "worse" else "unclear", text, f"{sentence} {evidence}", evidence)
    nearest = min(tests, key=lambda n: tests[n].difference)
    evidence = _test_text(output, nearest, tests[nearest])
    if shortened and outcome != "better":
        evidence += " Training ended while the network still improved: this is a verdict on that much training."
    return BaselineVerdict(outcome, HEADLINES[outcome], f"{sentence} {evidence}", evidence)


def compare_models(tests: list[PairedTest], margin: float = MARGIN) -> Outcome:
    """The verdict on a network from its comparisons with all simpler models.

    Args:
        margin: of the difference, by which the network may be worse and still be called no worse.
    """
    if all(t.difference > 0 and t.p_value < SIGNIFICANCE for t in tests):
        return "better"
    if any(t.difference < 0 and t.p_value < SIGNIFICANCE / len(tests) for t in tests):
        return "worse"
    return "no_worse" if all(finite(t.low) and t.low > -margin for t in tests) else "unclear"


def _against_no_model(output: OutputFacts, name: str, ours: Figure, sentence: str) -> BaselineVerdict:
    """The verdict where nothing but a constant, random actions or the same network on fewer rows was measured."""
    theirs, sign = output.baselines[name], 1 if output.metric.higher_is_better else -1
    value = theirs.metrics[output.metric.name]
    evidence = ""
    if theirs.paired is not None:
        evidence = _test_text(output, name, theirs.paired)
        sentence += f" {evidence}"
        better = compare_models([theirs.paired]) == "better"
    else:
        ends = [sign * v for v in (ours.low, ours.high) if finite(v)]
        better = bool(ends) and min(ends) > sign * value
    sentence += " No simpler model was measured."
    what = {"random": "random actions", "constant": "a constant prediction"}.get(name, baseline_name(name))
    if better:
        return BaselineVerdict("unknown", f"Better than {what}", sentence, evidence)
    return BaselineVerdict("unclear", f"Not shown to be better than {what}", sentence, evidence)


def _values(output: OutputFacts, name: str, ours: Figure) -> str:
    """The main metric of a baseline and of the network."""
    metric = output.metric.name
    value = output.baselines[name].metrics[metric]
    reach = "reach" if name in PLURALS else "reaches"
    own = metric_text(metric, ours.value)
    comparison = f"{_with_article(name)} {reach} {metric_text(metric, value)}, the network {own}"
    rows = plural(output.test_rows, f"test {output.unit}")
    where = f"In {rows}" if output.unit == "episode" else f"On the same {rows}"
    return f"{where} {comparison}{_interval(metric, ours)}."


def _test_text(output: OutputFacts, name: str, test: PairedTest) -> str:
    """The evidence of a paired test."""
    points = "points" if output.metric.is_share else metric_title(output.metric.name)
    factor = 100 if output.metric.is_share else 1
    digits = 1 if output.metric.is_share or output.unit == "episode" else 3

    def text(value: float) -> str:
        return f"{factor * value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")

    spread = f" (95\N{NO-BREAK SPACE}% interval {text(test.low)} to {text(test.high)})" if finite(test.low) else ""
    chance = f"p = {test.p_value:.2g}" if test.p_value >= 1e-4 else "p < 0.0001"
    lead = f"its lead over {_with_article(name)} is {text(test.difference)} {points}{spread}"
    how = "Over separate episodes" if output.unit == "episode" else "Row by row"
    return f"{how}, {lead}, {chance}."


def _with_article(name: str) -> str:
    """A baseline's name in a sentence: `the linear model`, `gradient boosting`."""
    return baseline_name(name) if name in ("gradient_boosting", "random") else f"the {baseline_name(name)}"


def _interval(metric: str, ours: Figure) -> str:
    if not (finite(ours.low) and finite(ours.high)):
        return " (no interval was measured)"
    return f" (95\N{NO-BREAK SPACE}% interval {metric_text(metric, ours.low)} to {metric_text(metric, ours.high)})"


def _cost(name: str, theirs: Baseline, train_rows: int | None, seconds: float | None) -> str:
    """Rows and seconds of the baseline, and whether these make the comparison unfair."""
    fewer = theirs.rows is not None and train_rows is not None and theirs.rows < train_rows
    fitted = f" on {count(theirs.rows)} of the {count(train_rows)} training rows" if fewer else ""
    took = f" in {duration(theirs.seconds)}" if finite(theirs.seconds) else ""
    ours = f", the network in {duration(seconds)}" if took and finite(seconds) else ""
    unfair = " Fewer rows make the simpler model look worse than it is." if fewer else ""
    return f" {capital(baseline_name(name))} was fitted{fitted}{took}{ours}.{unfair}" if fitted or took else ""
