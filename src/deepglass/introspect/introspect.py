"""All of introspection at once: diagnostics, decision boundaries, an example, optimised images."""

from __future__ import annotations

from deepglass.introspect.boundary import boundaries
from deepglass.introspect.diagnostics import network_health
from deepglass.introspect.example import example_of
from deepglass.introspect.facts import Introspection
from deepglass.introspect.feature_visualization import feature_visualizations
from deepglass.run.context import RunContext


def introspect(context: RunContext, pair: tuple[str, str] | None = None) -> Introspection:
    """What this kind of run has of it.

    Args:
        pair: two columns of the decision boundary; None: the most important ones.
    """
    return Introspection(
        health=network_health(context),
        boundaries=boundaries(context, pair),
        example=example_of(context),
        optimized_images=feature_visualizations(context),
    )
