"""What the watch over a run wrote, as the report tells it."""

from __future__ import annotations

from deepglass.introspect.facts import Gate, LayerHistory, NetworkHealth
from deepglass.run.callbacks.layer_diagnostics import diagnose
from deepglass.run.context import RunContext

STEPS = 120  # evaluations that are drawn, at most


def network_health(context: RunContext) -> NetworkHealth | None:
    """Diagnostics, and the history of each layer; None for runs without recorded statistics."""
    moments = context.layer_statistics
    if not moments:
        return None
    diagnostics = diagnose(moments, context.experiment.architecture, context.plan)
    last = moments[-1]
    names = dict.fromkeys([n for m in moments for n in m.gradient] + list(last.dead) + list(last.saturated))
    shown = moments[:: max(1, -(-len(moments) // STEPS))]
    pulses = []
    for name in names:
        there = [(m.step, m.gradient[name]) for m in shown if name in m.gradient]
        steps, values = zip(*there, strict=True) if there else ((), ())
        gates = tuple(Gate(n, *shares) for n, shares in last.gates.get(name, {}).items())
        pulses.append(LayerHistory(name, steps, values, last.dead.get(name), last.saturated.get(name), gates))
    return NetworkHealth(tuple(diagnostics), tuple(pulses))
