"""Diagnostics of training: dead or saturated units, vanishing or exploding gradients, with suggestions."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deepglass.networks.trunks.base import TRUNKS
from deepglass.training.callbacks import read_records
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


def read_layer_statistics(folder: Path) -> list[LayerStatistics]:
    """The statistics that a run recorded; [] without any."""
    return [LayerStatistics(**record) for record in read_records(folder / FILE, LayerStatistics)]


def diagnose(records: Sequence[LayerStatistics], network: Mapping[str, Any], plan: Plan) -> list[Diagnostic]:
    """Problems of the layers, the most severe kind first; [] for a healthy network.

    Args:
        network: settings of the trunk and `trunk`, its name; suggestions change one of them.
    """
    if not records:
        return []
    last, suggestions = records[-1], _Suggestions(network, plan)
    dead_text = "of its units are zero on all inspected rows (dead)"
    saturated_text = "of its units are at an end of their range on nearly all inspected rows (saturated)"
    dead = [
        Diagnostic("dead", layer, f"{_percent(share)} {dead_text}", suggestions.dead, last.step)
        for layer, share in last.dead.items()
        if share >= MAX_DEAD_SHARE
    ]
    saturated = [
        Diagnostic("saturated", layer, f"{_percent(share)} {saturated_text}", suggestions.saturated, last.step)
        for layer, share in last.saturated.items()
        if share >= MAX_SATURATED_SHARE
    ]
    vanishing = [] if dead else _vanishing(records, suggestions)  # behind dead layers there are no gradients
    return [*_exploding(records, suggestions), *dead, *saturated, *vanishing]


class _Suggestions:
    """Settings that help and that the run does not have yet."""

    def __init__(self, network: Mapping[str, Any], plan: Plan) -> None:
        self.trunk, self.plan = network.get("trunk", ""), plan
        self.settings: dict[str, Any] = {}
        if self.trunk:
            parameters = inspect.signature(TRUNKS.get(self.trunk)).parameters
            self.settings = {n: p.default for n, p in parameters.items() if p.default is not p.empty}
        self.settings |= {k: v for k, v in network.items() if k in self.settings}
        defaults = TRUNKS.get(self.trunk).training_defaults if self.trunk else None
        self.own = defaults.learning_rate if defaults is not None and defaults.optimizer == plan.optimizer else None

    @property
    def dead(self) -> str:
        return self._unless_fast("activation=leaky_relu", "norm=batch")

    @property
    def saturated(self) -> str:
        return self._unless_fast("activation=relu", "norm=layer", "layer_norm=true")

    @property
    def vanishing(self) -> str:
        depth = ["a smaller network.depth"] if "depth" in self.settings else []
        ways = [*self._offered("activation=relu"), *depth]
        return _either(*ways) or "a network with skip connections, such as network=resnet"

    @property
    def exploding(self) -> str:
        clip = [] if self.plan.clip else ["training.clip=1"]
        ways = [self._slower, *clip] if self._fast else [*clip, self._slower]
        return _either(*ways, *(["network=lstm, whose memory is not multiplied at each step"] * (self.trunk == "rnn")))

    @property
    def _fast(self) -> bool:
        """Whether the learning rate is far above the trunk's default: then only a lower one helps."""
        return self.own is not None and self.plan.learning_rate > MAX_RATE_FACTOR * self.own

    @property
    def _slower(self) -> str:
        rate = self.plan.learning_rate
        lower = self.own if self.own is not None and self._fast else rate / 10
        return f"training.learning_rate={lower:.3g} (it is {rate:.3g})"

    def _unless_fast(self, *ways: str) -> str:
        return self._slower if self._fast else _either(*self._offered(*ways), self._slower)

    def _offered(self, *ways: str) -> list[str]:
        """`activation=relu` as a setting, where the trunk has it with another value."""
        pairs = (way.split("=") for way in ways)
        return [f"network.{k}={v}" for k, v in pairs if k in self.settings and str(self.settings[k]).lower() != v]


def _vanishing(records: Sequence[LayerStatistics], suggestions: _Suggestions) -> list[Diagnostic]:
    ratios, ends = [], ("", "")
    for record in records:
        layers = [(n, v) for n, v in record.gradient.items() if not n.startswith("encoder")]
        if len(layers) >= MIN_DEPTH and layers[-1][1] > 0:
            ratios.append(layers[0][1] / layers[-1][1])
            ends = (layers[0][0], layers[-1][0])
    if not ratios or (middle := float(np.median(ratios))) >= MIN_GRADIENT_RATIO:
        return []
    text = f"its gradient is {middle:.1g} of that of {ends[1]}, relative to the weights (vanishing): it hardly learns"
    return [Diagnostic("vanishing", ends[0], text, suggestions.vanishing, records[-1].step)]


def _exploding(records: Sequence[LayerStatistics], suggestions: _Suggestions) -> list[Diagnostic]:
    worst = max(records, key=lambda m: m.most)
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
    return [Diagnostic("exploding", layer, "; ".join(text), suggestions.exploding, worst.step)]


def _either(*ways: str) -> str:
    """`a, b or c`."""
    return ", ".join(ways[:-1]) + (" or " if len(ways) > 1 else "") + ways[-1] if ways else ""


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")
