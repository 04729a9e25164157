"""The contest of an adversarial run: both losses, how near the drawn rows came, and whether they collapsed."""

from __future__ import annotations

from deepglass.formatting import count, finite, number, percent, plural
from deepglass.report.charts.curves import Line, Mark, curves
from deepglass.report.facts import Facts
from deepglass.report.gan_facts import Contest
from deepglass.report.markup import Panel, capital, details, facts_list, remarks, text
from deepglass.report.sections.base import PanelSection

_EVEN = 0.693  # nats; the loss of either side where the critic can only guess
_WARNINGS = 12  # that are shown


def panel(facts: Facts) -> Panel | None:
    """Curves of the contest; None for other kinds of learning."""
    contest = facts.contest
    if contest is None:
        return None
    best = facts.plan.best_step if facts.plan is not None else None
    at = contest.steps.index(best) if best in contest.steps else len(contest.steps) - 1
    html = remarks(text(capital(r) + ".") for r in contest.remarks)
    html += facts_list(_numbers(contest, at)) + _charts(contest, best) + _warnings(contest)
    return Panel("Generator against critic", _lead(contest, at), html, short="Contest")


def _lead(contest: Contest, at: int) -> str:
    distance = contest.figures["sliced_wasserstein"][at]
    if contest.remarks:
        return "Something is wrong with the rows that the kept weights draw; the curves say since when."
    warned = f" It was in trouble at {plural(len(contest.warned), 'evaluation')} on the way." if contest.warned else ""
    return (
        f"Drawn rows lie {number(distance)} of the real rows' own spread away from them, and no collapse was seen in "
        f"the weights that were kept.{warned}"
    )


def _numbers(contest: Contest, at: int) -> list[tuple[str, str]]:
    """The figures of the kept weights."""
    shown = {
        "density_coverage": "real rows with a drawn one near",
        "diversity": "variety beside the real rows",
        "critic_accuracy": "told apart by the critic",
        "class_agreement": "look like the class asked for",
    }
    pairs = [("distance", number(contest.figures["sliced_wasserstein"][at]))]
    return pairs + [(words, percent(contest.figures[n][at])) for n, words in shown.items() if n in contest.figures]


def _charts(contest: Contest, best: int | None) -> str:
    steps = [float(s) for s in contest.steps]
    kept = Mark(best, "kept") if best is not None else None
    losses = [Line("critic", contest.critic, "c2"), Line("generator", contest.generator, "c1")]
    shares = [
        Line("coverage", contest.figures["density_coverage"], "c1"),
        Line("variety", contest.figures["diversity"], "c3"),
    ]
    if "class_agreement" in contest.figures:
        shares.append(Line("agreement", contest.figures["class_agreement"], "c4"))
    made = [
        curves(f"Losses <small>both near {_EVEN} where the contest is even</small>", steps, losses, x_name="step"),
        curves(
            "Distance <small>less is better; 1: all at the real rows' mean</small>",
            steps,
            [Line("drawn to real rows", contest.figures["sliced_wasserstein"], "c1")],
            x_name="step",
            log=all(v > 0 for v in contest.figures["sliced_wasserstein"] if finite(v)),
            mark=kept,
        ),
        curves(
            "Variety <small>more is better; a fall is a collapse</small>", steps, shares, x_name="step", share=True,
            mark=kept,
        ),
        curves(
            "Told apart by the critic <small>50 %: it can only guess</small>",
            steps,
            [Line("drawn from real", contest.figures["critic_accuracy"], "c2")],
            x_name="step",
            share=True,
        ),
    ]  # fmt: skip
    return f'<div class="charts">{"".join(made)}</div>'


def _warnings(contest: Contest) -> str:
    if not contest.warned:
        return ""
    items = "".join(f"<li>step {count(step)}: {text(said)}</li>" for step, said in contest.warned[:_WARNINGS])
    left = len(contest.warned) - _WARNINGS
    more = f'<p class="dim">and at {plural(left, "later evaluation")}</p>' if left > 0 else ""
    return details(
        f"{plural(len(contest.warned), 'evaluation')} at which something was wrong", f"<ul>{items}</ul>{more}"
    )


class GANSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Generator and critic", "GAN", 70
    panel = staticmethod(panel)
