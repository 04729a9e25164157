"""Layer diagnostics over training: gradients, dead and saturated units, gates."""

from deepglass.introspect.facts import Gate, LayerHistory, NetworkHealth
from deepglass.run.callbacks.layer_diagnostics import diagnose, read_layer_statistics
from deepglass.run.context import RunContext

MAX_STEPS = 120  # evaluations of a history


def network_health(context: RunContext) -> NetworkHealth | None:
    """The diagnostics and each layer's history; None for runs that were not monitored."""
    moments = read_layer_statistics(context.folder)
    if not moments:
        return None
    problems = diagnose(moments, context.experiment.architecture, context.plan)
    last = moments[-1]
    names = dict.fromkeys([n for m in moments for n in m.gradient] + list(last.dead) + list(last.saturated))
    thinned = moments[:: max(1, -(-len(moments) // MAX_STEPS))]
    histories = []
    for name in names:
        pairs = [(m.step, m.gradient[name]) for m in thinned if name in m.gradient]
        steps, values = zip(*pairs, strict=True) if pairs else ((), ())
        gates = tuple(Gate(n, *shares) for n, shares in last.gates.get(name, {}).items())
        histories.append(LayerHistory(name, steps, values, last.dead.get(name), last.saturated.get(name), gates))
    return NetworkHealth(tuple(problems), tuple(histories))
