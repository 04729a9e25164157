"""Compares the network with the baselines by the main metric: is it worth it here?"""

from typing import Literal, NamedTuple

from deepglass.formatting import baseline_name, count, duration, finite, plural
from deepglass.metrics.summaries import Figure
from deepglass.metrics.table import metric_text, metric_title
from deepglass.report.output_facts import Baseline, OutputFacts
from deepglass.report.templates import capital


class BaselineVerdict(NamedTuple):
    """The result of the comparison.

    Args:
        worth: "yes", "no", "even" (the interval holds the best baseline) or "unknown".
        headline: a few words.
        sentence: the values that are compared, plain text.
    """

    worth: Literal["yes", "no", "even", "unknown"]
    headline: str
    sentence: str


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


def judge(output: OutputFacts, train_rows: int | None = None, seconds: float | None = None) -> BaselineVerdict:
    """Compare the network with its baselines.

    Args:
        output: the output with its baselines.
        train_rows: rows that the network was trained on, to name baselines with fewer.
        seconds: of training the network.
    """
    ours, name = main_value(output), best_baseline(output)
    if not finite(ours.value):
        title = capital(metric_title(output.metric.name))
        return BaselineVerdict("unknown", "Not measured", f"{title} was not measured.")
    if name is None:
        return BaselineVerdict("unknown", "No comparison", "No simpler model was measured on the same rows.")
    theirs = output.baselines[name]
    value = theirs.metrics[output.metric.name]
    metric, sign = output.metric.name, 1 if output.metric.higher_is_better else -1
    reach = "reach" if name == "labelled_rows_alone" else "reaches"
    article = "" if name in ("gradient_boosting", "random") else "the "
    own = metric_text(metric, ours.value)
    comparison = f"{article}{baseline_name(name)} {reach} {metric_text(metric, value)}, the network {own}"
    sentence = f"On the same {plural(output.test_rows, f'test {output.unit}')} {comparison}{_interval(metric, ours)}."
    if name != "constant":
        sentence += _cost(name, theirs, train_rows, seconds)
    ends = [sign * v for v in (ours.low, ours.high) if finite(v)] or [sign * ours.value]
    better, worse = min(ends) > sign * value, max(ends) < sign * value
    if name == "constant" and set(output.baselines) == {"constant"}:
        sentence += " No other simpler model was measured."
        if better:
            return BaselineVerdict("unknown", "Better than a constant prediction", sentence)
    if better:
        return BaselineVerdict("yes", "A network is worth it here", sentence)
    if name == "constant":
        return BaselineVerdict("no", "No better than a constant prediction", sentence)
    if worse:
        return BaselineVerdict("no", "A network is not worth it here", sentence)
    return BaselineVerdict("even", "No clear gain over a simpler model", sentence + " The interval contains both.")


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
