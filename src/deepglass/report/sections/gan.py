"""A GAN during training: both losses, how near generated rows are to real ones, and whether they collapsed."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from deepglass.formatting import finite, number, percent
from deepglass.objectives.gan import Gan
from deepglass.report.charts.curves import Line, Mark, curves
from deepglass.report.data import ReportData, View
from deepglass.report.sections.base import Section
from deepglass.report.templates import titled

EVEN_LOSS = 0.693  # nats; the loss of either side where the critic can only guess
MAX_WARNINGS = 12
SHARES = {
    "density_coverage": "real rows with a generated one near",
    "diversity": "diversity relative to the real rows",
    "critic_accuracy": "accuracy of the critic",
    "class_agreement": "look like the class that was requested",
}


class GANFacts(NamedTuple):
    """Generator and critic, a value an evaluation.

    Args:
        critic, generator: their mean losses since the evaluation before.
        metrics: sliced_wasserstein, density_coverage, diversity, critic_accuracy; class_agreement where samples are
            conditioned on a class.
        step_warnings: (step, what was wrong then), for the evaluations where something was.
        final_warnings: what is wrong with the best weights; empty where nothing is.
    """

    steps: Sequence[int]
    critic: Sequence[float]
    generator: Sequence[float]
    metrics: Mapping[str, Sequence[float]]
    step_warnings: Sequence[tuple[int, str]] = ()
    final_warnings: Sequence[str] = ()


class GANSection(Section):
    """Curves of losses, distance, diversity and the critic's accuracy."""

    title, nav, position = "Generator and critic", "GAN", 10
    layer = "inside"
    files = ("history.jsonl",)

    def collect(self, report: ReportData) -> GANFacts | None:
        objective = report.context.objective
        records = [r for r in report.context.history if r["monitor"] is not None]
        if not isinstance(objective, Gan) or not records:
            return None
        valid = [r["valid"][objective.name] for r in records]
        best = next((r for r in reversed(records) if r["best"]), None)
        return GANFacts(
            steps=[r["step"] for r in records],
            critic=[r["losses"].get("critic", math.nan) for r in records],
            generator=[r["losses"].get("generator", math.nan) for r in records],
            metrics={name: [v.get(name, math.nan) for v in valid] for name in valid[-1]},
            step_warnings=[(r["step"], r["event"]) for r in records if r["event"]],
            final_warnings=[best["event"]] if best is not None and best["event"] else [],
        )

    def view(self, facts: GANFacts, report: ReportData) -> View:
        best = report.best_step
        at = facts.steps.index(best) if best in facts.steps else len(facts.steps) - 1
        metrics = [("distance", number(facts.metrics["sliced_wasserstein"][at]))]
        metrics += [(name, percent(facts.metrics[key][at])) for key, name in SHARES.items() if key in facts.metrics]
        return {
            "gan": facts,
            "distance": facts.metrics["sliced_wasserstein"][at],
            "metrics": metrics,
            "charts": _charts(facts, best),
            "max_warnings": MAX_WARNINGS,
        }


def _charts(gan: GANFacts, best: int | None) -> list[Markup]:
    steps = [float(s) for s in gan.steps]
    best_mark = Mark(best, "best weights") if best is not None else None
    losses = [Line("critic", gan.critic, "c2"), Line("generator", gan.generator, "c1")]
    distance = gan.metrics["sliced_wasserstein"]
    shares = [
        Line("coverage", gan.metrics["density_coverage"], "c1"),
        Line("diversity", gan.metrics["diversity"], "c3"),
    ]
    if "class_agreement" in gan.metrics:
        shares.append(Line("class agreement", gan.metrics["class_agreement"], "c4"))
    accuracy = [Line("accuracy of the critic", gan.metrics["critic_accuracy"], "c2")]
    return [
        curves(titled("Losses", f"both near {EVEN_LOSS} where neither is ahead"), steps, losses, x_name="step"),
        curves(
            titled("Distance", "lower is better; 1: all at the real rows' mean"),
            steps,
            [Line("generated to real rows", distance, "c1")],
            x_name="step",
            log=all(v > 0 for v in distance if finite(v)),
            mark=best_mark,
        ),
        curves(
            titled("Diversity", "higher is better; a fall is mode collapse"),
            steps,
            shares,
            x_name="step",
            share=True,
            mark=best_mark,
        ),
        curves(titled("Accuracy of the critic", "50 %: it can only guess"), steps, accuracy, x_name="step", share=True),
    ]
