"""Explanations of some test rows: what each part of the input adds to the prediction, and faithfulness checks."""

from collections.abc import Sequence

from deepglass.formatting import count, finite
from deepglass.report.data import ReportData, View
from deepglass.report.examples import OutputExamples, within_bytes
from deepglass.report.explanation_facts import NOTHING, Contribution, ExplanationFacts, TargetFacts
from deepglass.report.sections.base import Section

MAX_BARS = 7  # of a target
MAX_REGIONS = 4  # of a spectrogram that are named
MAX_WORDS = 120
MAX_STEPS = 160  # bars of a sequence; more are added up in groups
MAX_BYTES = 2_500_000  # of all images and clips: base64 adds a third, and a report is at most 10 MB
CHECKS = ("completeness_gap", "weight_randomization")  # whose mean over the rows is told


class ExplanationsSection(Section):
    """Cards of each output; None where none was explained."""

    title, nav, position = "Explanations", "Explanations", 10
    layer = "why"
    requires = ("test_predictions",)

    def collect(self, report: ReportData) -> tuple[OutputExamples[ExplanationFacts], ...]:
        return tuple(OutputExamples(name, rows) for name, rows in report.explanations.items() if rows)

    def view(self, facts: tuple[OutputExamples[ExplanationFacts], ...], report: ReportData) -> View | None:
        outputs = [
            {
                "name": output.name,
                "cards": [_card(row) for row in within_bytes(output.rows, MAX_BYTES // len(facts)) or output.rows[:1]],
                "checks": _checks(output.rows),
                "orders": _orders(output.rows),
            }
            for output in facts
        ]
        return {"outputs": outputs}


def _checks(rows: Sequence[ExplanationFacts]) -> dict[str, float | None]:
    """The mean of each faithfulness check; None where it was not made."""
    values = {name: [row.checks[name] for row in rows if name in row.checks] for name in CHECKS}
    means = {name: sum(some) / len(some) if some else None for name, some in values.items()}
    return {name: mean if finite(mean) else None for name, mean in means.items()}


def _orders(rows: Sequence[ExplanationFacts]) -> dict[str, tuple[int, int]]:
    """Of deletion and insertion: rows in which the order of the contributions is better than a random one, of how many.

    Their areas are shares of the difference to the baseline and have no bounds where contributions of both signs
    nearly cancel.
    """
    counts = {}
    for name, sign in (("deletion", -1), ("insertion", 1)):
        both = [(row.checks[name], row.checks[f"{name}_random"]) for row in rows if f"{name}_random" in row.checks]
        leads = [sign * (own - random) for own, random in both]
        counts[name] = (sum(lead > 0 for lead in leads), len(leads))
    return counts


def _card(row: ExplanationFacts) -> View:
    several = len(row.targets) > 1
    return {
        "row": row,
        "names_targets": several or row.predicted == NOTHING,
        "shows_input": not several,
        "targets": [_target(target, row) for target in row.targets],
        "with_errors": any(p.error is not None for target in row.targets for p in target.parts),
        "with_images": any(n.image for n in row.neighbours),
    }


# -- parts of a target -------------------------------------------------------------------------------------------------


def _target(target: TargetFacts, row: ExplanationFacts) -> View:
    parts = target.parts
    if target.image and row.wav is not None:  # the spectrogram shows all regions, and words name the strongest
        parts = tuple(sorted(parts, key=lambda p: -abs(p.weight))[:MAX_REGIONS])
    strongest = max(parts, key=lambda p: abs(p.weight), default=Contribution("", 0.0))
    view: View = {"facts": target, "layout": target.layout, "largest": abs(strongest.weight) or 1.0}
    if target.image and len(parts) <= 1:
        return {**view, "layout": ""}
    if target.layout == "bars":
        if is_noise(parts):
            return {**view, "layout": "noise"}
        bars = _bars(parts)
        return {**view, "bars": bars, "largest": max((abs(p.weight) for p in bars), default=0.0) or 1.0}
    if target.layout == "words":
        return {**view, "words": parts[:MAX_WORDS], "num_hidden": max(len(parts) - MAX_WORDS, 0)}
    return {**view, "steps": _steps(parts), "strongest": strongest.name}


def is_noise(parts: Sequence[Contribution]) -> bool:
    """Whether no contribution is larger than two of its standard errors."""
    return bool(parts) and all(p.error is not None and abs(p.weight) <= 2 * p.error for p in parts)


def _bars(parts: Sequence[Contribution]) -> list[Contribution]:
    """The parts of largest weight, and the sum of the others."""
    order = sorted(parts, key=lambda p: -abs(p.weight))
    top, rest = order[:MAX_BARS], order[MAX_BARS:]
    if rest:
        top.append(Contribution(f"{count(len(rest))} more", sum(p.weight for p in rest)))
    return top


def _steps(parts: Sequence[Contribution]) -> list[float]:
    """The weights of groups of steps, from -1 to 1."""
    group = -(-len(parts) // MAX_STEPS)
    weights = [sum(p.weight for p in parts[i : i + group]) for i in range(0, len(parts), group)]
    largest = max(map(abs, weights), default=0.0) or 1.0
    return [w / largest for w in weights]
