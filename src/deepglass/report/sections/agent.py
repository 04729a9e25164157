"""An agent: its returns during training, a film of one test episode, and the metrics of the test episodes."""

from collections.abc import Mapping
from typing import NamedTuple

from markupsafe import Markup

from deepglass.errors import UserError
from deepglass.formatting import finite, number
from deepglass.introspect.episode_film import EpisodeFilm, film_episode
from deepglass.objectives._agents import Agent
from deepglass.report.charts.curves import Line, Mark, curves
from deepglass.report.data import ReportData, View
from deepglass.report.sections.base import Section
from deepglass.report.templates import titled

METRICS = (
    ("mean_return", "mean return"),
    ("median_return", "median return"),
    ("min_return", "lowest return"),
    ("mean_length", "steps an episode"),
    ("episodes", "episodes"),
)


class ReturnPoint(NamedTuple):
    """An evaluation during training: environment steps so far, seconds, and the mean return of its episodes."""

    steps: int
    seconds: float
    mean_return: float


class AgentFacts(NamedTuple):
    """How an agent learned, and how it acts.

    Args:
        environment: its name.
        returns: evaluations in the order of training.
        threshold: mean return at which the environment counts as solved; None where there is none.
        random: mean return of a random policy.
        metrics: over the test episodes.
        film: None where the environment cannot be rendered.
        no_film_reason: why not.
    """

    environment: str
    returns: tuple[ReturnPoint, ...]
    threshold: float | None
    random: float | None
    metrics: Mapping[str, float]
    film: EpisodeFilm | None = None
    no_film_reason: str = ""

    @property
    def first_solved(self) -> ReturnPoint | None:
        """The first evaluation that reached the threshold."""
        if not finite(self.threshold):
            return None
        return next((point for point in self.returns if point.mean_return >= self.threshold), None)


class AgentSection(Section):
    """The learning curve beside the film."""

    title, nav, position = "Agent", "Agent", 10
    layer = "result"
    files = ("metrics.json", "history.jsonl")

    def collect(self, report: ReportData) -> AgentFacts | None:
        objective = report.context.objective
        environment = report.context.data.table.environment
        if not isinstance(objective, Agent) or environment is None:
            return None
        name, metrics = objective.name, report.metrics
        returns = tuple(
            ReturnPoint(int(own["environment_steps"]), record["seconds"], own["mean_return"])
            for record in report.context.history
            if (own := record["valid"].get(name))
        )
        random = metrics.get("baselines", {}).get(name, {}).get("random", {}).get("mean_return")
        try:
            film, reason = film_episode(objective, environment), ""
        except UserError as error:
            film, reason = None, error.message
        test = metrics.get("test", {}).get(name, {})
        return AgentFacts(environment.name, returns, environment.threshold, random, test, film, reason)

    def view(self, facts: AgentFacts, report: ReportData) -> View:
        metrics = [(name, number(facts.metrics[key])) for key, name in METRICS if finite(facts.metrics.get(key))]
        if finite(facts.random):
            metrics.append(("random policy", number(facts.random)))
        return {"agent": facts, "metrics": metrics, "curve": _curve(facts)}


def _curve(agent: AgentFacts) -> Markup | None:
    if len(agent.returns) < 2:
        return None
    steps = [float(point.steps) for point in agent.returns]
    lines = [Line("mean return", [point.mean_return for point in agent.returns], "c1")]
    if finite(agent.random):
        lines.append(Line("random policy", [agent.random] * len(steps), "c2"))
    if finite(agent.threshold):
        lines.append(Line("solved", [agent.threshold] * len(steps), "c3"))
    first = agent.first_solved
    mark = Mark(float(first.steps), "first solved") if first is not None else None
    return curves(titled("Mean return", "higher is better"), steps, lines, x_name="environment steps", mark=mark)
