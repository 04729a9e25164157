"""All that the report tells of a network's inside."""

from __future__ import annotations

from deepglass.objectives.base import Objective
from deepglass.run.folder import Folder
from deepglass.run.prepare import Prepared
from deepglass.run.suited import network_of
from deepglass.understand.inside.boundary import boundaries
from deepglass.understand.inside.example import example_of
from deepglass.understand.inside.health import health_of
from deepglass.understand.inside.visions import visions_of
from deepglass.understand.report.inside_facts import Inside


def inside_of(folder: Folder, prepared: Prepared, objective: Objective, pair: tuple[str, str] | None = None) -> Inside:
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
