"""Diagnostics of training: dead or saturated units, vanishing or exploding gradients, with suggestions."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from deepglass.networks.trunks.base import TRUNKS
from deepglass.run.folder import Folder
from deepglass.training.plan import Plan

FILE = "diagnostics.jsonl"
MAX_DEAD_SHARE = 0.75  # of a layer's units: deep narrow networks that learn well may have half of them dead
MAX_SATURATED_SHARE = 0.5  # of a layer's units that are saturated
MIN_GRADIENT_RATIO = 1e-4  # the first layer's share of the last one's relative gradient
MIN_DEPTH = 4  # layers of a network in which gradients can vanish
MAX_RATE_FACTOR = 5.0  # learning rate relative to the trunk's default
MAX_GRADIENT_RATIO = 10.0  # times a layer's weights; healthy gradients are some hundredths of them

KINDS = ("dead", "saturated", "vanishing", "exploding")


class LayerStatistics(NamedTuple):
    """Layer statistics at one evaluation.

    Args:
        dead, saturated: layer -> share of its units, for layers that have such activations.
        gradient: layer -> norm of its gradient relative to its weights', first layer first.
        most: the maximum of these relative norms over layers and steps since the last evaluation, in layer `where`.
        usual: the median over steps of the maximum over layers.
        broken: number of non-finite losses since the last evaluation.
        gates: recurrent layer -> gate -> shares of time steps at which it is closed and open.
    """

    step: int
    dead: Mapping[str, float]
    saturated: Mapping[str, float]
    gradient: Mapping[str, float]
    most: float = 0.0
    where: str = ""
    usual: float = 0.0
    broken: int = 0
    gates: Mapping[str, Mapping[str, Sequence[float]]] = {}


@dataclass(frozen=True)
class Diagnostic:
    """A problem of one layer.

    Args:
        kind: one of `KINDS`.
        layer: its name in words, with its path.
        text: the measurement.
        suggestion: settings that help.
        step: of the last measurement.
    """

    kind: str
    layer: str
    text: str
    suggestion: str
    step: int = 0

    def __str__(self) -> str:
        return f"{self.layer}: {self.text}; {self.suggestion}"


def read_layer_statistics(folder: Folder) -> list[LayerStatistics]:
    """The statistics that a run recorded; [] without any. Raises as `Folder.records`."""
    return [LayerStatistics(**record) for record in folder.records(FILE, LayerStatistics)]


def diagnose(records: Sequence[LayerStatistics], network: Mapping[str, Any], plan: Plan) -> list[Diagnostic]:
    """Problems of the layers, the most severe kind first; [] for a healthy network.

    Args:
        network: settings of the trunk and `trunk`, its name; suggestions change one of them.
    """
    if not records:
        return []
    last, suggestions = records[-1], _suggestions(network, plan)

    def of_units(kind: str, shares: Mapping[str, float], most: float, state: str) -> list[Diagnostic]:
        large = {layer: f"{100 * share:.0f} %" for layer, share in shares.items() if share >= most}
        texts = {layer: f"{share} of its units are {state} ({kind})" for layer, share in large.items()}
        return [Diagnostic(kind, layer, text, suggestions[kind], last.step) for layer, text in texts.items()]

    dead = of_units("dead", last.dead, MAX_DEAD_SHARE, "zero on all inspected rows")
    ends = "at an end of their range on nearly all inspected rows"
    saturated = of_units("saturated", last.saturated, MAX_SATURATED_SHARE, ends)
    # behind dead layers there are no gradients
    vanishing = [] if dead else _vanishing(records, suggestions["vanishing"])
    return [*_exploding(records, suggestions["exploding"]), *dead, *saturated, *vanishing]


def _suggestions(network: Mapping[str, Any], plan: Plan) -> dict[str, str]:
    """Kind of diagnostic -> settings that help and that the run does not have yet."""
    trunk, rate = network.get("trunk", ""), plan.learning_rate
    settings: dict[str, Any] = {}
    own_rate: float | None = None  # the trunk's default
    if trunk:
        parameters = inspect.signature(TRUNKS.get(trunk)).parameters
        settings = {n: network.get(n, p.default) for n, p in parameters.items() if p.default is not p.empty}
        defaults = TRUNKS.get(trunk).training_defaults
        own_rate = defaults.learning_rate if defaults.optimizer == plan.optimizer else None
    fast = own_rate is not None and rate > MAX_RATE_FACTOR * own_rate  # then only a lower one helps
    slower = f"training.learning_rate={own_rate if fast else rate / 10:.3g} (it is {rate:.3g})"

    def offered(*ways: str) -> list[str]:
        """`activation=relu` as a setting, where the trunk has it with another value."""
        pairs = (way.split("=") for way in ways)
        return [f"network.{k}={v}" for k, v in pairs if k in settings and str(settings[k]).lower() != v]

    depth = ["a smaller network.depth"] if "depth" in settings else []
    clip = [] if plan.clip else ["training.clip=1"]
    lstm = ["network=lstm, whose memory is not multiplied at each step"] if trunk == "rnn" else []
    skips = ["a network with skip connections, such as network=resnet"]
    ways = {
        "dead": [*([] if fast else offered("activation=leaky_relu", "norm=batch")), slower],
        "saturated": [*([] if fast else offered("activation=relu", "norm=layer", "layer_norm=true")), slower],
        "vanishing": [*offered("activation=relu"), *depth] or skips,
        "exploding": [*([slower, *clip] if fast else [*clip, slower]), *lstm],
    }
    return {kind: _either(*texts) for kind, texts in ways.items()}


def _either(*ways: str) -> str:
    """`a, b or c`."""
    return f"{', '.join(ways[:-1])} or {ways[-1]}" if len(ways) > 1 else ways[0]


def _vanishing(records: Sequence[LayerStatistics], suggestion: str) -> list[Diagnostic]:
    ratios, ends = [], ("", "")
    for record in records:
        layers = [(n, v) for n, v in record.gradient.items() if not n.startswith("encoder")]
        if len(layers) >= MIN_DEPTH and layers[-1][1] > 0:
            ratios.append(layers[0][1] / layers[-1][1])
            ends = (layers[0][0], layers[-1][0])
    if not ratios or (middle := float(np.median(ratios))) >= MIN_GRADIENT_RATIO:
        return []
    text = f"its gradient is {middle:.1g} of that of {ends[1]}, relative to the weights (vanishing): it hardly learns"
    return [Diagnostic("vanishing", ends[0], text, suggestion, records[-1].step)]


def _exploding(records: Sequence[LayerStatistics], suggestion: str) -> list[Diagnostic]:
    worst = max(records[1:] or records, key=lambda m: m.most)  # a spike of the first steps alone passes by itself
    usual = float(np.median([m.usual for m in records]))
    broken = sum(m.broken for m in records)
    large = worst.most >= MAX_GRADIENT_RATIO
    grew = large and (worst.most >= MAX_GRADIENT_RATIO * usual or usual >= MAX_GRADIENT_RATIO**2)  # a spike, or always
    if not broken and not grew:
        return []
    text = []
    if grew:
        beside = f", {usual:.2g} is usual" if usual else ""
        text.append(f"its gradient grew to {worst.most:.3g} times its weights (exploding){beside}")
    if broken:
        times = "once" if broken == 1 else f"{broken} times"
        text.append(f"the loss was not finite {times} (exploding)")
    layer = worst.where if grew else "the network"
    return [Diagnostic("exploding", layer, "; ".join(text), suggestion, worst.step)]
