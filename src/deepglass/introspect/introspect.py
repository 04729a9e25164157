"""All that the report tells of a network's inside."""

from __future__ import annotations

from deepglass.introspect.boundary import boundaries
from deepglass.introspect.diagnostics import network_health
from deepglass.introspect.example import example_of
from deepglass.introspect.facts import Introspection
from deepglass.introspect.feature_visualization import feature_visualizations
from deepglass.run.context import RunContext


def inside_of(context: RunContext, pair: tuple[str, str] | None = None) -> Introspection:
    """Health, boundaries, an example and visions, as far as this kind of run has them.

    Args:
        pair: columns whose boundary was asked for; None: those that tell most.
    """
    data, objective, device = context.data, context.objective, context.device
    return Introspection(
        health=network_health(context.path, context.experiment.architecture, context.plan),
        boundaries=boundaries(context.path, data, objective, device, pair),
        example=example_of(data, objective, device),
        visions=feature_visualizations(data, objective, device),
    )
