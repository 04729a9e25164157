"""Agents: what they got over the steps in their world, one episode to watch, and the figures of the test episodes."""

from __future__ import annotations

from deepglass.formatting import count, duration, finite, number
from deepglass.report.agent_facts import AgentFacts, Film
from deepglass.report.charts.curves import Line, Mark, curves
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, columns, facts_list, image, text
from deepglass.report.sections.base import PanelSection

_FIGURES = (
    ("mean_return", "mean return"),
    ("median_return", "median return"),
    ("min_return", "least return"),
    ("mean_length", "steps an episode"),
    ("episodes", "episodes"),
)


def panel(facts: Facts) -> Panel | None:
    """The learning curve beside the film; None for what is no agent."""
    agent = facts.agent
    if agent is None:
        return None
    html = _figures(agent) + columns(_curve(agent), _film(agent))
    return Panel("What it does", _lead(agent), html, short="Agent")


def _lead(agent: AgentFacts) -> str:
    got = agent.figures.get("mean_return")
    said = f"In {text(agent.world)} it gets {number(got)} on average" if finite(got) else f"In {text(agent.world)}."
    if finite(got):
        beside = f", play at random {number(agent.random)}" if finite(agent.random) else ""
        said = f"{said} over {count(agent.figures.get('episodes'))} episodes that it never met{beside}."
    if not finite(agent.threshold):
        return said
    first = next((e for e in agent.learned if e.mean_return >= (agent.threshold or 0)), None)
    solved = f"The world counts as solved at {number(agent.threshold)}"
    if first is None:
        return f"{said} {solved}, which no evaluation in training reached."
    return f"{said} {solved}, first reached after {count(first.steps)} steps in it, {duration(first.seconds)}."


def _figures(agent: AgentFacts) -> str:
    pairs = [(name, number(agent.figures[key])) for key, name in _FIGURES if finite(agent.figures.get(key))]
    pairs += [("play at random", number(agent.random))] if finite(agent.random) else []
    return facts_list(pairs)


def _curve(agent: AgentFacts) -> str:
    if len(agent.learned) < 2:
        return ""
    steps = [float(e.steps) for e in agent.learned]
    lines = [Line("mean return", [e.mean_return for e in agent.learned], "c1")]
    if finite(agent.random):
        lines.append(Line("play at random", [agent.random] * len(steps), "c2"))
    if finite(agent.threshold):
        lines.append(Line("solved", [agent.threshold] * len(steps), "c3"))
    first = next((e for e in agent.learned if finite(agent.threshold) and e.mean_return >= agent.threshold), None)
    mark = Mark(float(first.steps), "first solved") if first is not None else None
    return curves("Mean return <small>more is better</small>", steps, lines, x_name="steps in the world", mark=mark)


def _film(agent: AgentFacts) -> str:
    film = agent.film
    if film is None:
        why = f" ({text(agent.without_film)})" if agent.without_film else ""
        return f'<p class="dim">There is no film of it{why}.</p>'
    return (
        f'<figure class="film">{image(film.picture, f"a film of an episode in {text(agent.world)}")}'
        f"<figcaption>{_caption(film)}</figcaption></figure>"
    )


def _caption(film: Film) -> str:
    part = "" if film.shown >= film.steps else f" The film shows the first {count(film.shown)} steps."
    return f"One test episode: {count(film.steps)} steps, return {number(film.value)}.{part}"


class AgentSection(PanelSection):
    """See `panel`."""

    title, nav, position = "The agent", "Agent", 10
    panel = staticmethod(panel)
