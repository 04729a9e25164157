"""The verdict on each output of a finished run in one line, from the files of the run alone: no rows are read."""

from typing import NamedTuple

from deepglass.metrics.summaries import Figure
from deepglass.metrics.table import METRICS
from deepglass.report.convergence import is_shortened
from deepglass.report.facts import history_point
from deepglass.report.objective_results import objective_result
from deepglass.report.output_facts import OutputFacts
from deepglass.report.paired_baselines import stored_baselines
from deepglass.report.verdict import judge
from deepglass.run.run import Run


class RunVerdict(NamedTuple):
    """Whether the network is worth it for an output.

    Args:
        text: the verdict, and the paired test with its interval; where there is none, the values that were compared.
    """

    output: str
    text: str


def run_verdicts(run: Run) -> list[RunVerdict]:
    """A verdict for each output that was compared with baselines; none for cross-validation and interrupted runs."""
    metrics = run.metrics
    if not metrics.get("baselines") or "folds" in metrics:
        return []
    outputs = run.state.experiment.outputs
    history = [history_point(record, outputs, METRICS["loss"]) for record in run.history]
    shortened = is_shortened(metrics["stop_reason"], history)
    verdicts = []
    for facts in _tested(run):
        verdict = judge(facts, shortened=shortened)
        verdicts.append(RunVerdict(facts.name, f"{verdict.headline}. {verdict.evidence or verdict.sentence}"))
    return verdicts


def _tested(run: Run) -> list[OutputFacts]:
    """What was compared: the outputs, or an objective without outputs."""
    metrics, experiment = run.metrics, run.state.experiment
    test_rows = int((run.folder.split()["split"] == "test").sum())
    facts = [
        OutputFacts(
            name=f.name,
            metric=f.metric or METRICS["loss"],
            test={name: Figure(value) for name, value in metrics["test"][f.name].items()},
            test_rows=test_rows,
            baselines=stored_baselines(metrics, f.name),
        )
        for f in experiment.outputs
        if f.name in metrics["baselines"] and f.name in metrics["test"]
    ]
    if facts or experiment.objective not in metrics["baselines"]:
        return facts
    own = objective_result(run.objective, test_rows, metrics)
    return [] if own is None else [own]
