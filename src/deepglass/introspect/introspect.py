"""All that the report tells of a network's inside."""

from __future__ import annotations

from deepglass.introspect.boundary import boundaries
from deepglass.introspect.diagnostics import health_of
from deepglass.introspect.example import example_of
from deepglass.introspect.facts import Inside
from deepglass.introspect.feature_visualization import visions_of
from deepglass.objectives.base import Objective
from deepglass.prepare.prepared_data import PreparedData
from deepglass.prepare.resolve import network_of
from deepglass.run.folder import Folder


def inside_of(
    folder: Folder, prepared: PreparedData, objective: Objective, pair: tuple[str, str] | None = None
) -> Inside:
    """Health, boundaries, an example and visions, as far as this kind of run has them.

    Args:
        pair: columns whose boundary was asked for; None: those that tell most.
    """
    plan, network = folder.plan(), network_of(folder.spec(), prepared.inputs, prepared.outputs)
    return Inside(
        health=health_of(folder.path, network, plan),
        boundaries=boundaries(folder.path, prepared, objective, plan.device, pair),
        example=example_of(prepared, objective, plan.device),
        visions=visions_of(prepared, objective, plan.device),
    )
