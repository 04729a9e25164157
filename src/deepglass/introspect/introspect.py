"""All that the report tells of a network's inside."""

from __future__ import annotations

from deepglass.introspect.boundary import boundaries
from deepglass.introspect.diagnostics import health_of
from deepglass.introspect.example import example_of
from deepglass.introspect.facts import Inside
from deepglass.introspect.feature_visualization import visions_of
from deepglass.run.context import RunContext


def inside_of(context: RunContext, pair: tuple[str, str] | None = None) -> Inside:
    """Health, boundaries, an example and visions, as far as this kind of run has them.

    Args:
        pair: columns whose boundary was asked for; None: those that tell most.
    """
    data, objective, device = context.data, context.objective, context.device
    return Inside(
        health=health_of(context),
        boundaries=boundaries(context.path, data, objective, device, pair),
        example=example_of(data, objective, device),
        visions=visions_of(data, objective, device),
    )
