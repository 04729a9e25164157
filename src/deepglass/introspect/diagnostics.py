"""What the watch over a run wrote, as the report tells it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepglass.introspect.facts import Diagnostic, Gate, LayerHistory, NetworkHealth
from deepglass.run.callbacks.alarms import alarms, moments_of
from deepglass.training.plan import Plan

STEPS = 120  # evaluations that are drawn, at most


def network_health(folder: Path, network: Mapping[str, Any], plan: Plan) -> NetworkHealth | None:
    """Alarms, and each layer over the run; None for runs that were not watched.

    Args:
        network: its settings and `trunk`, its name, for the cures.
    """
    moments = moments_of(folder)
    if not moments:
        return None
    found = alarms(moments, network, plan)
    last = moments[-1]
    names = dict.fromkeys([n for m in moments for n in m.gradient] + list(last.dead) + list(last.saturated))
    shown = moments[:: max(1, -(-len(moments) // STEPS))]
    pulses = []
    for name in names:
        there = [(m.step, m.gradient[name]) for m in shown if name in m.gradient]
        steps, values = zip(*there, strict=True) if there else ((), ())
        gates = tuple(Gate(n, *shares) for n, shares in last.gates.get(name, {}).items())
        pulses.append(LayerHistory(name, steps, values, last.dead.get(name), last.saturated.get(name), gates))
    return NetworkHealth(tuple(Diagnostic(a.kind, a.layer, a.text, a.cure) for a in found), tuple(pulses))
